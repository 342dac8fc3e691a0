# SPDX-License-Identifier: Apache-2.0
"""Runs inside the sandbox as its first process: starts the program, relays connections to it, reports its exit.

`python -I -S shim STATUS_FD LISTEN_FD CONFIG_FD PORT`; STATUS_FD is a SEQPACKET socket to the keeper. It sends `I`
(from itself, before the program is there) and `P` (from the program's process), and the kernel says which pids those
are; then `X` (executed) or `F errno text` (could not be), `E code` or `S signal` (how it ended). It receives `T` (send
SIGTERM). CONFIG_FD holds NUL-ended strings: the count of limits, then `id=value` each, the count of arguments, the
arguments, the environment.

One of these runs per agent, so it imports built-in modules only: `socket`, `signal`, `json` each cost more than the
rest of its start, and `os` a sixth of it.
"""

# mypy: disable-error-code="no-untyped-def,no-untyped-call,union-attr"
# Neither pathlib nor typing is imported here, and f-strings do not make bytes.
# ruff: noqa: PTH123, UP031
import _signal  # type: ignore[import-not-found]
import _socket
import posix as os
import select
import sys
import time

CHUNK = 65536
EPOLLIN, EPOLLOUT, EPOLLHUP = select.EPOLLIN, select.EPOLLOUT, select.EPOLLHUP
SIGTERM, SIGKILL, SIGCHLD = 15, 9, 17
EINPROGRESS = 115
LAST_WORDS = 0.5  # seconds to pass on what a program wrote just before it ended
PATIENCE = 3.0  # seconds a client is kept waiting for a program that does not listen yet
ADDRESSES = ((_socket.AF_INET6, "::1"), (_socket.AF_INET, "127.0.0.1"))  # the last is tried first


class Pipe:
    """One direction of one connection: bytes read from `source` and not yet taken by `sink`."""

    __slots__ = ("done", "pending", "sink", "source")

    def __init__(self, source, sink):
        self.source, self.sink, self.pending, self.done = source, sink, b"", False


class Link:
    """A client, the program's end, and the two pipes between them. `attempts` holds addresses not yet tried."""

    __slots__ = ("attempts", "client", "connected", "pipes", "server", "since")

    def __init__(self, client):
        self.client, self.server, self.connected, self.pipes = client, None, False, ()
        self.attempts, self.since = list(ADDRESSES), time.monotonic()


class Relay:
    """`early` holds the links of clients that came before the program listened for the first time: they are tried
    again, so that a health check learns of it at once and need not come often."""

    def __init__(self, listener, port, poll):
        self.listener, self.port, self.poll = listener, port, poll
        self.links, self.masks = {}, {}
        self.early, self.listened = [], False
        self.began = self.due = time.monotonic()

    def accept(self):
        for _ in range(32):
            try:
                fd, _ = self.listener._accept()
            except OSError:
                return
            client = _socket.socket(fileno=fd)
            client.setblocking(False)
            self.connect(Link(client))

    def connect(self, link):
        """Try the next address; with none left the client is closed, as a refused connection would be: at once if
        the program has listened before."""
        while link.attempts:
            family, host = link.attempts.pop()
            try:
                server = _socket.socket(family, _socket.SOCK_STREAM | _socket.SOCK_NONBLOCK | _socket.SOCK_CLOEXEC)
            except OSError:
                continue
            link.server = server
            error = server.connect_ex((host, self.port))
            if error in (0, EINPROGRESS):
                self.links[server.fileno()] = link
                self.want(server, EPOLLOUT)
                return
            server.close()
        if self.listened or time.monotonic() - link.since > PATIENCE:
            link.client.close()
        else:
            self.early.append(link)

    def pause(self):
        """Seconds until `retry` wants to be called; None for never."""
        return max(0.0, self.due - time.monotonic()) if self.early else None

    def retry(self):
        """Try early links again, the less often the longer the program takes: a fifth of what has passed."""
        now = time.monotonic()
        if now < self.due:
            return
        self.due = now + max(0.01, (now - self.began) / 5)
        early, self.early = self.early, []
        for link in early:
            link.attempts = list(ADDRESSES)
            self.connect(link)

    def established(self, link):
        server, client = link.server, link.client
        if server.getsockopt(_socket.SOL_SOCKET, _socket.SO_ERROR):
            self.want(server, 0)
            del self.links[server.fileno()]
            server.close()
            self.connect(link)
            return
        server.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
        link.connected = self.listened = True
        link.pipes = (Pipe(client, server), Pipe(server, client))
        self.links[client.fileno()] = link
        self.want(client, EPOLLIN)
        self.want(server, EPOLLIN)

    def ready(self, fd, events):
        link = self.links.get(fd)
        if link is None:
            return
        if not link.connected:
            self.established(link)
            return
        try:
            for pipe in link.pipes:
                if pipe.pending and fd == pipe.sink.fileno():
                    self.flush(pipe)
                if not pipe.pending and not pipe.done and fd == pipe.source.fileno() and events & ~EPOLLOUT:
                    self.fill(pipe)
        except OSError:
            self.close(link)
            return
        left = fd == link.client.fileno() and events & EPOLLHUP and link.pipes[0].done
        if left or all(pipe.done for pipe in link.pipes):
            self.close(link)
        else:
            self.watch(link)

    def fill(self, pipe):
        try:
            data = pipe.source.recv(CHUNK)
        except BlockingIOError:
            return
        if data:
            pipe.pending = data
            self.flush(pipe)
        else:
            pipe.done = True
            pipe.sink.shutdown(_socket.SHUT_WR)

    def flush(self, pipe):
        try:
            sent = pipe.sink.send(pipe.pending)
        except BlockingIOError:
            return
        pipe.pending = pipe.pending[sent:]

    def watch(self, link):
        """Read only what can be passed on: a full sink stops its source."""
        forth, back = link.pipes
        for sock, reads, writes in ((link.client, forth, back), (link.server, back, forth)):
            mask = (0 if reads.pending or reads.done else EPOLLIN) | (EPOLLOUT if writes.pending else 0)
            if sock is link.client and reads.done:
                mask |= EPOLLHUP  # gone for good: a program that neither answers nor closes would keep the link
            self.want(sock, mask)

    def want(self, sock, mask):
        """A socket we wait for nothing from is taken out: epoll would report its hang-up again and again."""
        fd = sock.fileno()
        known = self.masks.get(fd, 0)
        if mask == known:
            return
        self.masks[fd] = mask
        if not mask:
            self.poll.unregister(fd)
        elif known:
            self.poll.modify(fd, mask)
        else:
            self.poll.register(fd, mask)

    def close(self, link):
        for sock in (link.client, link.server):
            self.want(sock, 0)
            self.links.pop(sock.fileno(), None)
            sock.close()

    def refuse(self):
        """The program has ended: whoever comes now is refused, and so knows that nothing of theirs was read."""
        self.poll.unregister(self.listener.fileno())
        self.listener.close()

    def finish(self):
        """Pass on what it still wrote, within a short time."""
        deadline = time.monotonic() + LAST_WORDS
        while any(link.connected and not link.pipes[1].done for link in self.links.values()):
            left = deadline - time.monotonic()
            if left <= 0:
                return
            for fd, events in self.poll.poll(left):
                self.ready(fd, events)


def read_config(fd):
    with open(fd, "rb") as file:
        words = file.read().split(b"\0")[:-1]
    count = int(words[0])
    limits = [tuple(int(part) for part in word.split(b"=")) for word in words[1 : count + 1]]
    words = words[count + 1 :]
    count = int(words[0])
    environment = dict(word.split(b"=", 1) for word in words[count + 1 :])
    return limits, words[1 : count + 1], environment


def execute(argv, environment):
    """Does not return. Raises what was in the way of a program that was found, else that there is none."""
    folders = [b""] if b"/" in argv[0] else [path + b"/" for path in environment.get(b"PATH", b"").split(b":") if path]
    refused = None
    for folder in folders:
        try:
            os.execve(folder + argv[0], argv, environment)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            refused = refused or error
    raise refused or FileNotFoundError(2, os.strerror(2))


def start(status, argv, environment, limits):
    """Fork and execute the program; returns its pid, or None after reporting why it could not be executed."""
    failed_r, failed_w = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        try:
            os.setsid()
            for changed in (_signal.SIGPIPE, _signal.SIGXFSZ):  # Python ignores these; programs expect the default
                _signal.signal(changed, _signal.SIG_DFL)
            if limits:
                import resource

                for kind, value in limits:
                    resource.setrlimit(kind, (value, value))
            status.send(b"P")
            execute(argv, environment)
        except BaseException as error:
            code = error.errno if isinstance(error, OSError) and error.errno else 0
            name = argv[0].decode("utf-8", "replace") if argv else "nothing to execute"
            text = "%s: %s" % (name, os.strerror(code) if code else error)
            os.write(failed_w, ("F %d %s" % (code, text)).encode()[:500])
        finally:
            os._exit(127)
    os.close(failed_w)
    failure = os.read(failed_r, 512)
    os.close(failed_r)
    status.send(failure or b"X")
    if failure:
        os.waitpid(pid, 0)
        return None
    return pid


def end_descendants():
    """Without a process namespace nobody kills what the program left behind: this does, until nothing is left."""
    me = os.getpid()
    while True:
        try:
            with open("/proc/%d/task/%d/children" % (me, me)) as file:
                children = file.read().split()
        except OSError:
            return
        if not children:
            return
        for child in children:
            try:
                os.kill(int(child), SIGKILL)
            except OSError:
                pass
        try:
            os.waitpid(-1, 0)
        except OSError:
            return


def main():
    status_fd, listen_fd, config_fd, port = (int(word) for word in sys.argv[1:5])
    for fd in (status_fd, listen_fd, config_fd):
        if fd >= 0:
            os.set_inheritable(fd, False)
    status = _socket.socket(fileno=status_fd)
    limits, argv, environment = read_config(config_fd)
    status.send(b"I")
    outermost = os.getpid() == 1
    if not outermost:
        import ctypes

        ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
    pid = start(status, argv, environment, limits)
    if pid is None:
        return
    for fd in (1, 2):
        os.dup2(os.open("/dev/null", os.O_WRONLY), fd)

    ended = []

    def reap(*_):
        while True:
            try:
                found, wait_status = os.waitpid(-1, os.WNOHANG)
            except OSError:
                return
            if found == 0:
                return
            if found == pid:
                ended.append(wait_status)

    def pass_on(*_):
        if not ended:
            os.kill(pid, SIGTERM)

    # Python retries an interrupted poll, so the handlers must wake it: the pipe is what ends the wait.
    wake_r, wake_w = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    _signal.set_wakeup_fd(wake_w, warn_on_full_buffer=False)
    _signal.signal(SIGCHLD, reap)
    _signal.signal(SIGTERM, pass_on)
    for ignored in (_signal.SIGINT, _signal.SIGHUP, _signal.SIGPIPE):
        _signal.signal(ignored, _signal.SIG_IGN)
    poll = select.epoll()
    poll.register(wake_r, EPOLLIN)
    poll.register(status_fd, EPOLLIN)
    relay = None
    if listen_fd >= 0:
        listener = _socket.socket(fileno=listen_fd)
        listener.setblocking(False)
        relay = Relay(listener, port, poll)
        poll.register(listen_fd, EPOLLIN)
    reap()
    while not ended:
        for fd, events in poll.poll(None if relay is None else relay.pause()):
            if fd == wake_r:
                os.read(wake_r, 512)
            elif fd == status_fd:
                if not status.recv(16):
                    os.kill(pid, SIGKILL)
                    poll.unregister(status_fd)
                else:
                    pass_on()
            elif fd == listen_fd:
                relay.accept()
            else:
                relay.ready(fd, events)
        if relay is not None and relay.early:
            relay.retry()
    if relay is not None:
        relay.refuse()
    wait_status = ended[0]
    if os.WIFSIGNALED(wait_status):
        status.send(b"S %d" % os.WTERMSIG(wait_status))
    else:
        status.send(b"E %d" % os.WEXITSTATUS(wait_status))
    poll.unregister(wake_r)
    poll.unregister(status_fd)
    if relay is not None:
        relay.finish()
    if not outermost:
        end_descendants()
    os._exit(0)


if __name__ == "__main__":
    main()
