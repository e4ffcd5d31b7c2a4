#!/usr/bin/env python3
"""http_idle.py PORT: who says nothing to http_server, or never all of a request, is not kept for ever."""
import socket
import sys
import threading

port = int(sys.argv[1])
ended = []


def wait_for_end(name, first, trickled):
    """Send the first bytes, then a piece a second, until the server ends the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=1) as s:
        s.sendall(first)
        got = b""
        try:
            while True:
                try:
                    chunk = s.recv(65536)
                    if not chunk:
                        break
                    got += chunk
                except TimeoutError:
                    s.sendall(trickled)
        except OSError:
            pass  # reset, with what was trickled last unread
    ended.append((name, got.startswith(b"HTTP/1.1 200 OK\r\n")))


cases = {  # whether it has got an answer, and what it says
    "silent": (False, b"", b""),
    "behind an answer": (True, b"GET / HTTP/1.1\r\nHost: here\r\n\r\n", b""),
    "half a head": (False, b"GET / HTTP/1.1\r\nHost: here\r\n", b""),
    "trickling": (False, b"GET / HTTP/1.1\r\nHost: here\r\nName: ", b"x"),
    "trickling behind an answer": (True, b"GET / HTTP/1.1\r\nHost: here\r\n\r\nGET", b" "),
}
threads = [threading.Thread(target=wait_for_end, args=(name, first, trickled))
           for name, (_, first, trickled) in cases.items()]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
wanted = sorted((name, has_answer) for name, (has_answer, _, _) in cases.items())
if sorted(ended) != wanted:
    sys.exit(f"{sorted(ended)}\nand not {wanted}")
print("all have been ended")
