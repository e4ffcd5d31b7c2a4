#!/usr/bin/env python3
"""http_raw.py PORT FOLDER: bytes that no well-behaved client sends to http_server, and what comes back."""
import socket
import sys

port, folder = int(sys.argv[1]), sys.argv[2]


def talk(data, pieces=1, ends=True):
    """Send it, in so many pieces; all that comes until the server ends the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as s:
        size = -(-len(data) // pieces)
        for at in range(0, len(data), size):
            s.sendall(data[at:at + size])
        if ends:
            s.shutdown(socket.SHUT_WR)
        got = b""
        while chunk := s.recv(65536):
            got += chunk
        return got


def request(target, *fields, method="GET", version="1.1"):
    lines = [f"{method} {target} HTTP/{version}", "Host: here", *fields, "", ""]
    return "\r\n".join(lines).encode()


def answers(got):
    """Taken apart: statuses and bodies."""
    found = []
    while got:
        head, got = got.split(b"\r\n\r\n", 1)
        status = head.split(b" ")[1].decode()
        length = int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0])
        found.append((status, got[:length]))
        got = got[length:]
    return found


def expect(what, got, wanted):
    if got != wanted:
        sys.exit(f"{what}: {str(got)[:300]}\nand not {str(wanted)[:300]}")


index = ("200", open(f"{folder}/index.html", "rb").read())
large = ("200", open(f"{folder}/large", "rb").read())
missing = ("404", b"404 Not Found")
last = request("/", "Connection: close")

# Pipelined: the answers come in order, whatever the pieces, and behind the last one is the end.
line = [request("/"), request("/large"), request("/nothing"), request("/"), last]
for pieces in (1, 2, 7, 100):
    got = talk(b"".join(line), pieces, ends=False)
    expect(f"pipelined in {pieces}", answers(got), [index, large, missing, index, index])
many = talk(request("/") * 300 + last, ends=False)
expect("300 in a row", answers(many), [index] * 301)

# A client that has said all that it says gets all of its answers.
expect("half closed", answers(talk(b"".join(line[:4]))), [index, large, missing, index])

# Versions, and what keeps a connection.
expect("1.0", answers(talk(request("/", version="1.0"), ends=False)), [index])
kept = talk(request("/", "Connection: keep-alive", version="1.0") + last, ends=False)
expect("1.0 kept", answers(kept), [index, index])

# What is no request is answered, and ends the connection.
for data, status in (
        (b"nonsense\r\n\r\n", "400"),
        (b"GET /\r\n\r\n", "400"),
        (b"GET / HTTP/1.1\r\n\r\n", "400"),
        (request("/", " folded: x"), "400"),
        (request("/", "name : x"), "400"),
        (request("/", "no colon"), "400"),
        (request("/", "Content-Length: 5") + b"12345", "400"),
        (request("/", "Transfer-Encoding: chunked"), "400"),
        (request("/", version="2.0"), "505"),
        (request("/" + 9000 * "x"), "414"),
        (request("/", "Long: " + 9000 * "x"), "431"),
        (request("/", method="POST"), "405")):
    got = answers(talk(data + last, ends=False))
    expect(data[:40], [a[0] for a in got], [status])

# One that goes in the middle of an answer is nobody's trouble.
for _ in range(20):
    with socket.create_connection(("127.0.0.1", port), timeout=60) as s:
        s.sendall(request("/large"))
        s.recv(1)
expect("still there", answers(talk(last, ends=False)), [index])
print("as it should be")
