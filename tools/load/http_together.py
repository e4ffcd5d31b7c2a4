#!/usr/bin/env python3
"""http_together.py FOLDER COUNT: Python's server of files, but nobody gets an answer before COUNT requests
are there, nor the second half of a file less than a second after the first. So COUNT downloads have to be
under way at once, and to wait for their sockets. It prints its port."""
import functools
import http.server
import sys
import threading
import time

folder, count = sys.argv[1], int(sys.argv[2])
together = threading.Barrier(count)


class Handler(http.server.SimpleHTTPRequestHandler):
    def do_GET(self):
        together.wait()
        super().do_GET()

    def copyfile(self, source, outputfile):
        whole = source.read()
        outputfile.write(whole[:len(whole) // 2])
        time.sleep(1)
        outputfile.write(whole[len(whole) // 2:])


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = count
    daemon_threads = True


with Server(("127.0.0.1", 0), functools.partial(Handler, directory=folder)) as server:
    print("port", server.server_port, ".", flush=True)
    server.serve_forever()
