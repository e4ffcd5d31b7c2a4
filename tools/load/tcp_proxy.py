#!/usr/bin/env python3
"""tcp_proxy.py PROGRAM OUTPUT CASE: native clients and servers on both sides of tcp_proxy.

PROGRAM is the example, OUTPUT a file for what it says. CASE is one of the functions at the end."""
import errno
import os
import random
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

PROGRAM, OUTPUT = sys.argv[1:3]
RUN = os.path.join(os.path.dirname(__file__), "../wine-run.sh")
PATIENCE = 150  # seconds, after which something hangs
MOST_HELD = 64 << 20  # bytes: more than the buffers of four sockets, and of two ways
FLOOD = 256 << 20


def check(is_so, what):
    if not is_so:
        raise SystemExit(what)


class Proxy:
    """One that listens on self.port, for a `with`, which ends it if nothing has."""

    def __init__(self, host, service, seconds=0):
        environment = {**os.environ, "IOCPLOOP_WINE_OUTPUT": OUTPUT,
                       "IOCPLOOP_WINE_TIMEOUT": str(PATIENCE + 60)}
        open(OUTPUT, "w").close()
        self.child = subprocess.Popen([RUN, PROGRAM, "127.0.0.1:0", host, str(service), str(seconds)],
                                      env=environment, stdin=subprocess.DEVNULL)
        self.port = int(self.wait(r"^listening on 127\.0\.0\.1:(\d+)$")[1])

    def said(self):
        with open(OUTPUT, errors="replace") as file:
            return file.read().replace("\r", "")

    def wait(self, pattern):
        """Until it has said this."""
        while not (found := re.search(pattern, self.said(), re.M)):
            check(self.child.poll() is None, f"it ended: {self.said()}")
            time.sleep(0.1)
        return found

    def interrupt(self):
        self.child.send_signal(signal.SIGTERM)

    def end(self, connections=r"\d+", to_host=r"\d+", back=r"\d+", cut_off=0):
        """It ends well, and says these numbers."""
        code = self.child.wait(PATIENCE)
        print(self.said())
        check(code == 0, f"it ended with {code}")
        self.wait(f"^connections: {connections}, bytes: {to_host} to the host, {back} back, "
                  f"cut off: {cut_off}$")

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        while self.child.poll() is None:
            self.interrupt()
            time.sleep(1)
        if kind is not None:
            print(self.said())


class Target:
    """A listener: `to` says what the proxy calls it."""

    def __init__(self, address="127.0.0.1", port=0, backlog=512):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.listener = socket.socket(family)
        self.listener.settimeout(PATIENCE)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((address, port))
        self.listener.listen(backlog)
        self.port = self.listener.getsockname()[1]
        self.to = address, self.port

    def accept(self):
        got = self.listener.accept()[0]
        got.settimeout(PATIENCE)
        return got

    def pair(self, proxy):
        """Connected through the proxy: the client's end, and ours."""
        return proxy.connect(), self.accept()


def noise(size, seed):
    return random.Random(seed).randbytes(size)


def take(sock, size=FLOOD):
    """So many bytes, or all until the end."""
    got = bytearray()
    while len(got) < size and (piece := sock.recv(min(size - len(got), 1 << 18))):
        got += piece
    return bytes(got)


def give(sock, data):
    """And the end, in a thread."""
    def run():
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def ask(client, server):
    """A word each way: what was on its way before has been looked at."""
    for one, other, word in ((client, server, b"word"), (server, client, b"answer")):
        one.sendall(word)
        check(take(other, len(word)) == word, "not what was sent")


def reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def is_reset(sock):
    """What comes next, behind what may be there, is a reset, and not an end."""
    try:
        take(sock)
    except ConnectionResetError:
        return True
    return False


# ---- The cases


def is_exact():
    """Both ways at once, of other sizes, and the sums are right."""
    target = Target()
    there, back = noise(12_000_001, 1), noise(5_345_678, 2)
    with Proxy(*target.to, seconds=PATIENCE) as proxy:
        client, server = target.pair(proxy)
        ask(client, server)
        for byte in range(100):
            client.sendall(bytes([byte]))
        check(take(server, 100) == bytes(range(100)), "the bytes one by one")
        threads = give(client, there), give(server, back)
        got = {}
        reader = threading.Thread(target=lambda: got.update(back=take(client)))
        reader.start()
        check(take(server) == there, "to the host")
        reader.join()
        check(got["back"] == back, "back")
        for thread in threads:
            thread.join()
        # Nothing is left of it: the run ends by itself.
        proxy.interrupt()
        proxy.end(1, 104 + len(there), 6 + len(back))


def ends_one_way():
    """Who has said all still gets the answer, whichever side that is."""
    target = Target()
    question, answer = noise(3_000_000, 3), noise(3_000_001, 4)
    with Proxy(*target.to, seconds=PATIENCE) as proxy:
        for is_client_first in True, False, True, False:
            ends = target.pair(proxy)
            first, second = ends if is_client_first else reversed(ends)
            give(first, question)
            check(take(second) == question, "the first side's")
            give(second, answer)
            check(take(first) == answer, "the second side's")
        # Without a byte.
        client, server = target.pair(proxy)
        client.shutdown(socket.SHUT_WR)
        check(take(server) == b"", "an end alone")
        server.sendall(b"all the same")
        server.close()
        check(take(client) == b"all the same", "behind an end alone")
        # The proxy has ended when this is read.
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(PATIENCE)
        client.connect(("127.0.0.1", proxy.port))
        client.shutdown(socket.SHUT_WR)
        server = target.accept()
        server.sendall(answer[:60_000])
        server.close()
        proxy.interrupt()
        proxy.end(6)
        check(take(client) == answer[:60_000], "what was left to be read")


def holds_back():
    """A side that does not read holds up the other one; its own way goes on, and nothing is lost."""
    target = Target()
    block = noise(1 << 20, 5)
    with Proxy(*target.to) as proxy:
        idle = target.pair(proxy)
        for is_client in True, False:
            ends = target.pair(proxy)
            sender, reader = ends if is_client else reversed(ends)
            sender.setblocking(False)
            sent = stuck = 0
            while stuck < 3 and sent <= MOST_HELD:
                try:
                    at = sent % len(block)
                    sent += sender.send(block[at:at + 65536])
                    stuck = 0
                except BlockingIOError:
                    ask(*idle)  # so the loop has looked at the other connection since
                    stuck += 1
            print(f"{sent} bytes were taken from a {'client' if is_client else 'server'}")
            check(sent <= MOST_HELD, "nobody is held up")
            sender.settimeout(PATIENCE)
            reader.sendall(b"the other way")
            check(take(sender, 13) == b"the other way", "the other way")
            left = (-sent) % len(block)
            give(sender, block[len(block) - left:])
            wanted = block * ((sent + left) // len(block))
            check(take(reader) == wanted, "what was held up")
            reader.close()
            check(take(sender) == b"", "the end of it")


def is_next_when_refused():
    """The first address, ::1, refuses; the second is served. Where both are there, it is the first."""
    target = Target()
    with Proxy("", target.port) as proxy:
        for _ in range(5):
            ask(*target.pair(proxy))
        try:
            other = Target("::1", target.port)
        except OSError:
            print("there is no IPv6 here")
            return
        client = proxy.connect()
        client.sendall(b"first")
        check(take(other.accept(), 5) == b"first", "not the first")


def tells_when_refused():
    """Nobody is there: the client is reset, and the proxy says why, and serves on."""
    target = Target()
    target.listener.close()
    with Proxy("", target.port) as proxy:
        check(is_reset(proxy.connect()), "an end, and no reset")
        proxy.wait(r"^here: .*\(IOCP_ECONNREFUSED\)$")
        again = Target(port=target.port)
        ask(*again.pair(proxy))


def tells_when_unknown():
    with Proxy("127.0.0.1", "no-such-service") as proxy:
        check(is_reset(proxy.connect()), "an end, and no reset")
        proxy.wait(r"^127\.0\.0\.1: .*\(IOCP_E\w+\)$")


class SilentTarget(Target):
    """It does not answer: more have come than it has room for, and nobody accepts them."""

    def __init__(self, address, port=0):
        super().__init__(address, port, backlog=0)
        self.callers = [socket.socket(self.listener.family) for _ in range(8)]
        for caller in self.callers:
            caller.setblocking(False)
            check(caller.connect_ex(self.to) in (0, errno.EINPROGRESS), "cannot call")

    def asked(self):
        """The ports of those who wait for an answer, but for our own callers."""
        own = {caller.getsockname()[1] for caller in self.callers}
        family = "tcp6" if self.listener.family == socket.AF_INET6 else "tcp"
        with open(f"/proc/net/{family}") as file:
            lines = [line.split() for line in file][1:]
        ports = [(int(line[1][-4:], 16), int(line[2][-4:], 16)) for line in lines if line[3] == "02"]
        return [near for near, far in ports if far == self.port and near not in own]

    def wait_until_asked(self, is_asked=True):
        while bool(self.asked()) != is_asked:
            time.sleep(0.05)


def is_next_when_silent():
    """The first address does not answer: the second is asked meanwhile, and the first one no more."""
    target = Target()
    try:
        silent = SilentTarget("::1", target.port)
    except OSError:
        print("there is no IPv6 here")
        return
    with Proxy("", target.port) as proxy:
        client = proxy.connect()
        silent.wait_until_asked()
        server = target.accept()
        for _ in range(200): # so often the loop has looked meanwhile
            ask(client, server)
        check(not silent.asked(), "the first one is asked still")


def gives_up_when_silent():
    """The only address does not answer: the client is reset, and the proxy says so, and serves on."""
    silent = SilentTarget("127.0.0.1")
    with Proxy(*silent.to, seconds=PATIENCE) as proxy:
        leaves = proxy.connect()
        silent.wait_until_asked()
        leaves.close()
        check(is_reset(proxy.connect()), "an end, and no reset")
        proxy.wait(r"^127\.0\.0\.1: .*\(IOCP_ETIMEDOUT\)$")
        silent.wait_until_asked(False)
        # Ctrl-C while one is asked.
        waits = proxy.connect()
        silent.wait_until_asked()
        proxy.interrupt()
        check(is_reset(waits), "an end, and no reset")
        proxy.end(3)


def passes_resets_on():
    """A side that breaks off: the other one is told so, be it silent or sending.

    A receive is pending there when it does, since Wine tells one that begins later of an end."""
    target = Target()
    with Proxy(*target.to) as proxy:
        for is_client in True, False:
            ends = target.pair(proxy)
            breaks, other = ends if is_client else reversed(ends)
            ask(breaks, other)
            reset(breaks)
            check(is_reset(other), "an end, and no reset")

            ends = target.pair(proxy)
            breaks, other = ends if is_client else reversed(ends)
            threading.Thread(target=lambda: (take(breaks, 1), reset(breaks))).start()
            try:
                other.sendall(bytes(FLOOD))
                check(False, "who sends is not told")
            except ConnectionError:
                pass
        ask(*target.pair(proxy))


def serves_many(count=400):
    """All are open at once, and each gets its own."""
    target = Target()
    with Proxy(*target.to, seconds=PATIENCE) as proxy:
        clients = [proxy.connect() for _ in range(count)]
        servers = {}
        for number, client in enumerate(clients):
            client.sendall(struct.pack("<I", number))
        for _ in range(count):
            server = target.accept()
            servers[struct.unpack("<I", take(server, 4))[0]] = server
        check(sorted(servers) == list(range(count)), "not all of them")
        for number, client in enumerate(clients):
            give(client, noise(20_000, number))
            give(servers[number], noise(10_000, -number))
        for number, client in enumerate(clients):
            check(take(servers[number]) == noise(20_000, number), "to the host")
            check(take(client) == noise(10_000, -number), "back")
        proxy.interrupt()
        proxy.end(count, count * 20_004, count * 10_000)


def ends_with_some_open():
    """By Ctrl-C. Without time to end, who is there is cut off, and told so."""
    target = Target()
    with Proxy(*target.to) as proxy:
        ends = [end for _ in range(3) for end in target.pair(proxy)]
        for client, server in zip(ends[::2], ends[1::2]):
            ask(client, server)
        proxy.interrupt()
        for end in ends:
            check(is_reset(end), "an end, and no reset")
        proxy.end(3, 12, 18, cut_off=3)


def is_served(proxy, target):
    """Whether one more is. Otherwise it is refused, or broken off before."""
    try:
        one = proxy.connect()
    except ConnectionError:
        return False
    with one:
        ready = select.select([target.listener, one], [], [])[0]
        if target.listener in ready:
            target.accept().close()
        return target.listener in ready


def ends_when_all_have():
    """By Ctrl-C. Nobody is accepted any more, and who is there comes to the end."""
    target = Target()
    with Proxy(*target.to, seconds=PATIENCE) as proxy:
        client, server = target.pair(proxy)
        ask(client, server)
        proxy.interrupt()
        while is_served(proxy, target):
            pass
        ask(client, server)
        give(client, noise(1_000_000, 7))
        check(take(server) == noise(1_000_000, 7), "to the host")
        check(proxy.child.poll() is None, "it has not waited")
        server.close()
        check(take(client) == b"", "no end")
        proxy.end()


signal.signal(signal.SIGTERM, lambda *_: sys.exit("it takes too long")) # and the proxy ends, too
globals()[sys.argv[3]]()
print("as it should be")
