#include "http_request.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- The head ---- */

/* "/a%20b?c" to "a b". False: it may lead out of the folder, or to no file. */
static bool request__set_path(http_request *self, const char *target)
{
    size_t used = 0;
    bool is_good = *target == '/';
    for (target++; is_good && *target != '\0' && *target != '?'; target++) {
        char letter = *target;
        if (letter == '%') {
            const char digits[3] = {target[1], target[1] != '\0' ? target[2] : '\0', '\0'};
            is_good = isxdigit((unsigned char)digits[0]) && isxdigit((unsigned char)digits[1]);
            letter = (char)strtoul(digits, NULL, 16);
            target += is_good ? 2 : 0;
        }
        char before = used > 0 ? self->path[used - 1] : '/';
        is_good = is_good && (unsigned char)letter >= ' ' && strchr("\\:*?<>|\"", letter) == NULL &&
                  !(letter == '.' && before == '.') && !(letter == '/' && before == '/') &&
                  used < HTTP_PATH_BYTES - sizeof "index.html";
        self->path[used++] = letter;
    }
    self->path[used] = '\0';
    if (used == 0 || self->path[used - 1] == '/') {
        memcpy(self->path + used, "index.html", sizeof "index.html");
    }
    return is_good;
}

/* The value of a field, if the line is of that name. */
static void field__keep(const char *line, const char *name, const char **value)
{
    size_t length = strlen(name);
    if (_strnicmp(line, name, length) == 0 && line[length] == ':') {
        *value = line + length + 1 + strspn(line + length + 1, " \t");
    }
}

/* End the line where its end is, without the blanks before it: the next one. */
static char *line__end(char *line)
{
    char *end = strstr(line, "\r\n");
    char *next = end + 2;
    while (end > line && (end[-1] == ' ' || end[-1] == '\t')) {
        end--;
    }
    *end = '\0';
    return next;
}

static bool request__parse_fields(http_request *self, char *line)
{
    while (strncmp(line, "\r\n", 2) != 0) {
        char *next = line__end(line);
        size_t name = strcspn(line, ": \t");
        if (name == 0 || line[name] != ':') {
            return false;
        }
        field__keep(line, "Connection", &self->connection);
        field__keep(line, "Host", &self->host);
        field__keep(line, "Range", &self->range);
        field__keep(line, "If-Range", &self->if_range);
        field__keep(line, "If-None-Match", &self->if_none_match);
        field__keep(line, "If-Modified-Since", &self->if_modified_since);
        field__keep(line, "Content-Length", &self->length);
        field__keep(line, "Transfer-Encoding", &self->coding);
        line = next;
    }
    return true;
}

const char *http_request_parse(http_request *self, char *head)
{
    char *fields = line__end(head);
    char *target = strchr(head, ' ');
    char *version = target != NULL ? strchr(target + 1, ' ') : NULL;
    if (version == NULL || strncmp(version, " HTTP/", 6) != 0) {
        return "400 Bad Request";
    }
    *target = '\0';
    *version = '\0';
    bool is_http_11 = strcmp(version + 6, "1.1") == 0;
    if (!is_http_11 && strcmp(version + 6, "1.0") != 0) {
        return "505 HTTP Version Not Supported";
    }
    if (!request__parse_fields(self, fields) || (is_http_11 && self->host == NULL) ||
        (self->length != NULL && strcmp(self->length, "0") != 0) || self->coding != NULL) {
        return "400 Bad Request"; /* also for one that brings something: no file takes it */
    }
    self->is_last =
        self->connection != NULL ? _stricmp(self->connection, "close") == 0 : !is_http_11;
    self->is_head = strcmp(head, "HEAD") == 0;
    if (!self->is_head && strcmp(head, "GET") != 0) {
        return "405 Method Not Allowed";
    }
    return request__set_path(self, target + 1) ? NULL : "404 Not Found";
}

/* ---- Conditions and ranges ---- */

/* RFC 9110, 13.2.2: If-None-Match counts if there is one. */
static bool http__is_unchanged(const http_entity *own, const http_request *asked)
{
    if (asked->if_none_match != NULL) {
        return strcmp(asked->if_none_match, "*") == 0 ||
               strstr(asked->if_none_match, own->tag) != NULL;
    }
    return asked->if_modified_since != NULL && strcmp(asked->if_modified_since, own->modified) == 0;
}

/* "bytes=5-9", "bytes=5-", "bytes=-5". False: it is no such range, and all is answered. */
static bool http__find_range(const http_entity *own, const http_request *asked, uint64_t *first,
                             uint64_t *last)
{
    char *end = NULL;
    const char *text = asked->range;
    if (text == NULL || strncmp(text, "bytes=", 6) != 0 || strchr(text, ',') != NULL ||
        (asked->if_range != NULL && strcmp(asked->if_range, own->tag) != 0 &&
         strcmp(asked->if_range, own->modified) != 0)) {
        return false;
    }
    text += 6;
    bool is_suffix = *text == '-';
    *first = strtoull(is_suffix ? text + 1 : text, &end, 10);
    if (is_suffix) {
        uint64_t count = *first < own->size ? *first : own->size;
        *first = count > 0 ? own->size - count : own->size; /* none of no bytes */
        *last = own->size - 1;
        return end != text + 1 && *end == '\0';
    }
    bool is_open = *end == '-' && end[1] == '\0';
    *last = is_open ? UINT64_MAX : *end == '-' ? strtoull(end + 1, &end, 10) : 0;
    bool is_range = (is_open || *end == '\0') && *last >= *first && *text >= '0' && *text <= '9';
    *last = *last < own->size ? *last : own->size - 1;
    return is_range;
}

void http_answer_with(http_answer *self, const http_request *asked, const http_entity *own)
{
    uint64_t first = 0;
    uint64_t last = own->size - 1;
    bool is_range = http__find_range(own, asked, &first, &last);
    bool is_unchanged = http__is_unchanged(own, asked);
    *self = (http_answer){.status = "200 OK", .length = own->size, .has_body = !asked->is_head};
    int used = snprintf(self->fields, sizeof self->fields,
                        "ETag: %s\r\nLast-Modified: %s\r\nAccept-Ranges: bytes\r\n", own->tag,
                        own->modified);
    char *more = self->fields + used;
    size_t room = sizeof self->fields - (size_t)used;
    if (is_unchanged) {
        self->status = "304 Not Modified";
        self->has_body = false;
    } else if (is_range && first >= own->size) {
        self->status = "416 Range Not Satisfiable";
        self->length = 0;
        snprintf(more, room, "Content-Range: bytes */%llu\r\n", (unsigned long long)own->size);
    } else if (is_range) {
        self->status = "206 Partial Content";
        self->first = first;
        self->length = last - first + 1;
        snprintf(more, room, "Content-Range: bytes %llu-%llu/%llu\r\n", (unsigned long long)first,
                 (unsigned long long)last, (unsigned long long)own->size);
    }
}
