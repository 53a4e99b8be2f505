"""stacks.py - how each TLS library is set up and started; the words of its own for ciphers and groups."""

import os
import shutil
import subprocess
import threading

from faults import smtp
from faults.peer import Listener


class Absent(Exception):
    """This stack cannot be had here."""


class Stack:
    """A program that serves one connection, descriptor 0, after STARTTLS was accepted."""

    name = ""
    oldest, newest = "1.0", "1.3"

    def __init__(self, folder, program):
        self.folder = folder
        self.command = self.prepare(program)

    def prepare(self, program):
        if not program or not os.path.exists(program):
            raise Absent("no server over %s was built" % self.name)
        return [program]

    def versions(self, low, high):
        """The arguments that limit it to these versions."""
        return {"low": low, "high": high}

    def words(self, world, identity, key_of=None, low="1.2", high=None, ca=None, **more):
        """Every argument of one server as KEY=VALUE; those that are None are left out."""
        more.update(self.versions(low, high or self.newest))
        if identity is not None:
            more["cert"], more["key"] = world.files(identity)
        if key_of is not None:
            more["key"] = world.files(key_of)[1]
        if ca:
            more["ca"] = ca(world)
        return ["%s=%s" % (key, value) for key, value in sorted(more.items()) if value is not None]

    def server(self, words):
        """A listener whose connections this stack serves."""
        return Listener(lambda peer: self.hand_over(peer, words))

    def hand_over(self, peer, words):
        smtp.converse(peer)
        peer.socket.setblocking(True)  # the descriptor is shared, and so is that flag
        with subprocess.Popen(self.command + words, stdin=peer.socket.fileno(), stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE) as child:
            peer.socket.close()  # or closing would end nothing
            said = child.communicate()[1].decode("utf-8", "replace").strip()
        if child.returncode != 0 or "trace=" in " ".join(words):
            raise RuntimeError("%s: status %d, %s" % (self.name, child.returncode, said))

    def stop(self):
        pass


class Gnutls(Stack):
    name = "gnutls"

    def versions(self, low, high):
        return {}

    def words(self, world, identity, key_of=None, low="1.2", high="1.3", ciphers=None, **more):
        spoken = [word for word in ("1.0", "1.1", "1.2", "1.3") if low <= word <= (high or "1.3")]
        priority = "NORMAL:-VERS-ALL" + "".join(":+VERS-TLS" + word for word in spoken)
        if low < "1.2":
            priority += ":+SIGN-ALL"
        return super().words(world, identity, key_of, ciphers=priority + (":" + ciphers if ciphers else ""), **more)


class Mbedtls(Stack):
    name = "mbedtls"
    newest = "1.2"


class Wolfssl(Stack):
    name = "wolfssl"
    oldest = "1.2"


class Go(Stack):
    name = "go"

    def prepare(self, program):
        if shutil.which("go") is None:
            raise Absent("no Go here")
        program = os.path.join(self.folder, "stack_go")
        environment = dict(os.environ, GO111MODULE="off", GOCACHE=os.path.join(self.folder, "go-cache"), GOFLAGS="",
                           GOTOOLCHAIN="local")
        source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "stack_go.go")
        ran = subprocess.run(["go", "build", "-o", program, source], env=environment, capture_output=True, text=True)
        if ran.returncode != 0:
            raise Absent("Go does not compile the server: " + ran.stderr[-300:])
        return [program]

    def words(self, world, identity, key_of=None, **more):
        words = super().words(world, identity, key_of, **more)
        if identity is not None:
            words.append("cert_key=" + (world.files(identity)[1] if key_of else words_of(words, "key")))
        if key_of is not None:
            other, key = world.files(key_of)
            words = [word for word in words if not word.startswith("key=")] + ["other=" + other, "key=" + key]
        return words


def words_of(words, key):
    return next(word[len(key) + 1 :] for word in words if word.startswith(key + "="))


class Remote:
    """A server inside another process."""

    def __init__(self, port):
        self.port, self.complaints, self.connections = port, [], 0

    def stop(self):
        pass


class Machine(Stack):
    """One process for all servers, where starting one takes long. It reads a line for each."""

    def prepare(self, program):
        self.lock, self.count = threading.Lock(), 0
        self.machine = subprocess.Popen(self.command_line(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        bufsize=1)
        return []

    def server(self, words):
        with self.lock:
            self.count += 1
            print("server%d" % self.count, *words, file=self.machine.stdin, flush=True)
            answer = self.machine.stdout.readline().split()
        if len(answer) != 2:
            raise RuntimeError("the process with all servers died")
        return Remote(int(answer[1]))

    def stop(self):
        self.machine.stdin.close()
        try:
            self.machine.wait(5)
        except subprocess.TimeoutExpired:
            self.machine.kill()
            self.machine.wait()


class Node(Machine):
    name = "node"

    def command_line(self):
        if shutil.which("node") is None:
            raise Absent("no Node.js here")
        return ["node", os.path.join(os.path.dirname(os.path.abspath(__file__)), "stack_node.js")]


class Java(Machine):
    name = "java"

    def command_line(self):
        if shutil.which("javac") is None or shutil.which("java") is None:
            raise Absent("no Java compiler here")
        source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "StackServer.java")
        ran = subprocess.run(["javac", "-d", self.folder, source], capture_output=True, text=True)
        if ran.returncode != 0:
            raise Absent("Java does not compile the server: " + ran.stderr[-300:])
        # A group of its own for DHE, which it takes only where no named one is left.
        return ["java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djdk.tls.ephemeralDHKeySize=1024",
                "-Djdk.tls.namedGroups=x25519,secp256r1,secp384r1", "-cp", self.folder, "StackServer"]


class Field(Stack):
    """No library: what is met in the field, by hand and by Python."""

    name = "field"

    def prepare(self, program):
        return []


STACKS = {one.name: one for one in (Gnutls, Mbedtls, Wolfssl, Go, Node, Java, Field)}
