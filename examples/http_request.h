/* A request of HTTP/1.1 as text: what it asks for, and what of a file that is. No loop, no system. */
#ifndef HTTP_REQUEST_H
#define HTTP_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#define HTTP_HEAD_BYTES 8192 /* of a request, with all its fields */
#define HTTP_PATH_BYTES 1024

/* A request, taken apart; the texts stay in its head. */
typedef struct http_request {
    char path[HTTP_PATH_BYTES]; /* of the file, in the folder */
    bool is_head, is_last;
    const char *connection, *host, *length, *coding;
    const char *range, *if_range, *if_none_match, *if_modified_since;
} http_request;

/* What is told of a file. */
typedef struct http_entity {
    uint64_t size;
    char tag[40];
    char modified[32];
} http_entity;

/*
 * Take a head apart that ends with an empty line, and is changed by it. NULL: it is a request for a
 * file; or the status that answers it.
 */
const char *http_request_parse(http_request *self, char *head);

/* What is answered to a request for a file that is there. */
typedef struct http_answer {
    const char *status;
    char fields[320];
    uint64_t first, length; /* of the file */
    bool has_body;
} http_answer;

void http_answer_with(http_answer *self, const http_request *asked, const http_entity *own);

#endif
