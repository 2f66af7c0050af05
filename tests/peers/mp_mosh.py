"""A peer with the manners of the paper's authors' implementation of 2015, its faults included, for one session with a
program that is tested. It shares no code with the product, and stops with a traceback where its model would abort.

  mp_mosh.py check
  mp_mosh.py server ADDRESS,ADDRESS... [RECORDS]    serves bash on a terminal, at these addresses (the first is announced);
                                                    RECORDS (hexadecimal) follow its own in every address list
  mp_mosh.py client PORT KEY LOCAL,LOCAL... REMOTE  a client with these addresses of its own

Addresses are of either family, or of both.

Standard output has one line for each thing that happens; standard input takes one command a line:

  dead ADDRESS, alive ADDRESS   nothing more leaves from or arrives at this address of its own
  stats                         prints what was counted
  keys HEX, resize C R          types, resizes (client)
  hop                           a new socket for all flows (client)
  replay                        sends a spent address request again, from elsewhere (client)
  shutdown                      ends the session
"""

import base64
import collections
import fcntl
import json
import os
import pty
import re
import select
import signal
import socket
import struct
import sys
import termios
import time
import zlib

from ocb3 import Ocb3, check

NONE = 0xFFFF
PROBE, ADDR = 1, 2
SHUTDOWN = 2**64 - 1
ACK_DELAY = 100
HEARTBEAT = 3000
LONGEST_DATAGRAM = 1274


def now():
    return int(time.monotonic() * 1000)


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def say(kind, **facts):
    print(json.dumps({"kind": kind, **facts}), flush=True)


# ---- protobuf, as far as three messages need it -----------------------------------------------------------------


def varint(number):
    out = b""
    while number > 127:
        out, number = out + bytes([number & 127 | 128]), number >> 7
    return out + bytes([number])


def field(number, value):
    if isinstance(value, bytes):
        return varint(number << 3 | 2) + varint(len(value)) + value
    return varint(number << 3) + varint(value)


def fields(data):
    at, out = 0, []

    def number():
        nonlocal at
        result = shift = 0
        while True:
            octet = data[at]
            at += 1
            result |= (octet & 127) << shift
            shift += 7
            if octet < 128:
                return result

    while at < len(data):
        tag = number()
        assert tag & 7 in (0, 2), f"wire type {tag & 7}"
        value = number()
        if tag & 7 == 2:
            assert at + value <= len(data), "a field beyond the end"
            at, value = at + value, data[at : at + value]
        out.append((tag >> 3, value))
    return out


# ---- datagrams ----------------------------------------------------------------------------------------------------


class Codec:
    """The wire format."""

    def __init__(self, key, is_server):
        self.ocb, self.is_server = Ocb3(key), is_server

    def seal(self, flow, sequence, stamp, reply, flags, loss, payload):
        assert flow < 2**15
        word = struct.pack(">Q", self.is_server << 63 | flow << 48 | sequence)
        plaintext = struct.pack(">HHBB", stamp, reply, flags, loss) + payload
        return word + self.ocb.seal(bytes(4) + word, plaintext)

    def open(self, datagram):
        """flow, sequence, stamp, reply, flags, loss, payload; None when it is nothing from the other end."""
        if len(datagram) < 24:
            return None
        plaintext = self.ocb.open(bytes(4) + datagram[:8], datagram[8:])
        if plaintext is None or len(plaintext) < 6:
            return None
        (word,) = struct.unpack(">Q", datagram[:8])
        if (word >> 63) == self.is_server:
            return None
        return word >> 48 & 0x7FFF, word & 2**48 - 1, *struct.unpack(">HHBB", plaintext[:6]), plaintext[6:]


class Flow:
    def __init__(self, number, src, dst):
        self.number, self.src, self.dst = number, src, dst
        self.sequence = self.expected = 0
        self.saved = None
        self.srtt, self.rttvar, self.measured = 1000.0, 500.0, False
        self.outgoing_loss, self.idle = 100, 0
        self.deadline, self.next_probe = None, 0
        self.history = 2**64 - 1
        self.heard = now()

    def loss(self):
        return (64 - bin(self.history).count("1")) * 100 // 64

    def received(self, sequence):
        if sequence >= self.expected:
            step = sequence + 1 - self.expected
            self.history = (self.history << min(step, 64) | 1) & 2**64 - 1
        elif self.expected - sequence <= 64:
            self.history |= 1 << self.expected - 1 - sequence

    def rto(self):
        return int(self.srtt) + self.idle + 4 * self.rttvar


class Network:
    """The multipath layer: its sending procedure, its probes, its address lists."""

    def __init__(self, key, is_server, addresses, port, remote=None, records=b""):
        self.codec, self.is_server = Codec(key, is_server), is_server
        self.addresses, self.records = addresses, records
        self.families = sorted({family(address) for address in addresses})
        self.port, self.sockets = port, []
        self.hop()
        self.port = self.sockets[0].getsockname()[1]
        self.flows, self.last_flow, self.heard = {}, None, now()
        self.dead = set()
        self.remotes = [remote] if remote else []
        self.remote_port = remote and remote[1]
        self.requested, self.request = -(10**9), None
        self.counts = collections.Counter()
        self.got_on = collections.Counter()
        if not is_server:
            self.make_flows()

    @staticmethod
    def new_socket(of_family, port):
        made = socket.socket(of_family, socket.SOCK_DGRAM)
        if of_family == socket.AF_INET:
            made.setsockopt(socket.IPPROTO_IP, 8, 1)  # IP_PKTINFO
        else:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        made.bind(("", port))
        made.setblocking(False)
        return made

    def hop(self):
        """A new socket of each family, all with the port of the first."""
        for of_family in self.families:
            self.sockets.append(self.new_socket(of_family, self.port))
            self.port = self.sockets[-1].getsockname()[1]

    def make_flows(self):
        known = {(flow.src, flow.dst[0]) for flow in self.flows.values()}
        for src in self.addresses:
            for dst in self.remotes:
                if family(src) == family(dst[0]) and (src, dst[0]) not in known:
                    self.flows[len(self.flows)] = Flow(len(self.flows), src, dst)

    def order(self):
        return sorted(self.flows.values(), key=lambda flow: (int(flow.srtt) + flow.idle, flow.outgoing_loss))

    def srtt(self):
        return self.order()[0].srtt if self.flows else 1000

    def rto(self):
        # On its client last_flow is never set: always the longest.
        flow = self.last_flow
        return max(50, min(1000, flow.srtt + 4 * flow.rttvar)) if flow and self.is_server else 1000

    def emit(self, flow, flags, payload):
        if not self.is_server:
            length = flow.rto()
            if flow.deadline is not None and now() >= flow.deadline:
                flow.idle = min(10000, flow.idle + int(length))
                flow.deadline = None
            flow.next_probe = now() + max(length + 100, 500)
            if flow.deadline is None:
                flow.deadline = now() + length + ACK_DELAY
        reply = NONE
        if flow.saved is not None and now() - flow.saved[1] < 1000:
            reply = (flow.saved[0] + now() - flow.saved[1]) % 65536
            flow.saved = None
        stamp = now() % 65536 % NONE
        datagram = self.codec.seal(flow.number, flow.sequence, stamp, reply, flags, flow.loss(), payload)
        flow.sequence += 1
        self.counts["probes out" if flags & PROBE else "datagrams out"] += 1
        if flags & ADDR and not self.is_server:
            self.request = datagram
        self.put(datagram, flow.src, flow.dst)

    def put(self, datagram, src, dst):
        if src not in self.dead:
            if family(src) == socket.AF_INET:
                info = (socket.IPPROTO_IP, 8, struct.pack("=I4s4s", 0, socket.inet_aton(src), bytes(4)))
            else:
                own = socket.inet_pton(socket.AF_INET6, src)
                info = (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, struct.pack("=16sI", own, 0))
            newest = [one for one in self.sockets if one.family == family(src)][-1]
            try:
                newest.sendmsg([datagram], [info], 0, dst)
            except OSError as error:
                say("error", text=str(error), dst=dst)

    def send(self, payload, flags=0):
        if self.is_server:
            if self.last_flow is None:
                return
            latest = max(flow.heard for flow in self.flows.values())
            for flow in self.flows.values():
                flow.idle = latest - flow.heard
        product, idle, carried = 100, None, set()
        for flow in self.order():
            if idle is None or (product > 0 and flow.idle < 10000) or (idle and flow.idle == 0):
                idle = idle is None and flow.idle != 0
                product = product * flow.outgoing_loss // 100
                carried.add(flow.number)
                self.emit(flow, flags, payload)
        if self.is_server:
            return
        for flow in list(self.flows.values()):
            due = now() >= flow.next_probe or (flow.deadline is not None and now() >= flow.deadline)
            if flow.number not in carried and due:
                self.emit(flow, PROBE, b"")
        if now() - self.requested > 10000:
            self.requested = now()
            self.send(b"", ADDR)

    def address_list(self):
        out = b""
        for address in self.addresses:
            of_family = family(address)
            head = bytes([7, 4] if of_family == socket.AF_INET else [19, 6])
            out += head + struct.pack(">H", self.port) + socket.inet_pton(of_family, address)
        return out + self.records

    def take_list(self, data):
        listed = []
        while data:
            assert len(data) >= 4 and len(data) > data[0], "an address list cut short"
            length, number = data[0], data[1]
            assert number != 4 or length == 7, "an IPv4 record of another length"
            assert number != 6 or length == 19, "an IPv6 record of another length"
            assert number in (4, 6), f"a record of family {number}"
            of_family = socket.AF_INET if number == 4 else socket.AF_INET6
            address = socket.inet_ntop(of_family, data[4 : 1 + length])
            listed.append((address, struct.unpack(">H", data[2:4])[0]))
            data = data[1 + length :]
        say("list", addresses=[address for address, _ in listed])
        self.remotes = self.remotes[:1] + [one for one in listed if one[0] != self.remotes[0][0]]
        self.make_flows()

    def receive(self, source):
        """The payload of one datagram, if it has one."""
        try:
            datagram, ancillary, _, remote = source.recvmsg(2048, 256)
        except (BlockingIOError, ConnectionRefusedError):
            return None
        remote = remote[:2]
        if source.family == socket.AF_INET:
            local = next(socket.inet_ntoa(data[8:12]) for _, kind, data in ancillary if kind == 8)
        else:
            own = next(data[:16] for _, kind, data in ancillary if kind == socket.IPV6_PKTINFO)
            local = socket.inet_ntop(socket.AF_INET6, own)
        if local in self.dead:
            return None
        parts = self.codec.open(datagram)
        if parts is None:
            self.counts["foreign"] += 1
            return None
        number, sequence, stamp, reply, flags, loss, payload = parts
        assert len(datagram) <= LONGEST_DATAGRAM, f"a datagram of {len(datagram)} octets"
        assert flags in (0, PROBE, ADDR), f"flags {flags:#x}"
        assert loss <= 100, f"a loss of {loss} percent"
        assert not flags & PROBE or not payload, "a probe with a payload"
        assert flags or len(payload) >= 10, "a payload too short for a fragment"
        self.counts["probes in" if flags & PROBE else "lists and requests in" if flags & ADDR else "data in"] += 1
        self.got_on[local if self.is_server else f"{remote[0]} to {local}"] += 1
        flow = self.flows.get(number)
        if flow is None:
            assert self.is_server, f"a flow {number} that was never opened"
            flow = self.flows[number] = Flow(number, local, remote)
        if (flow.src, flow.dst) != (local, remote) and self.is_server:
            say("moved", flow=number, src=local, dst=remote)
        # Any authentic datagram moves a flow.
        flow.src, flow.dst = local, remote
        flow.received(sequence)
        if sequence >= flow.expected:
            flow.expected = sequence + 1
            flow.heard = self.heard = now()
            flow.idle, flow.deadline, flow.outgoing_loss = 0, None, loss
            if stamp != NONE:
                flow.saved = (stamp, now())
            if reply != NONE:
                self.measure(flow, (now() - reply) % 65536)
            if flags & PROBE:
                if self.is_server:
                    self.last_flow = self.last_flow or flow
                    self.emit(flow, PROBE, b"")
            elif self.last_flow is None or self.last_flow.heard - self.last_flow.srtt < now() - flow.srtt:
                self.last_flow = flow if self.is_server else None
        if flags & ADDR:
            if self.is_server:
                self.send(self.address_list(), ADDR)
            else:
                self.take_list(payload)
            return None
        return payload or None

    def measure(self, flow, sample):
        if sample >= 5000:
            return
        # Of 0 ms, which loopback alone has, their sums make a deadline that never counts a flow as idle.
        sample = max(sample, 1)
        if flow.measured:
            flow.rttvar = 0.75 * flow.rttvar + 0.25 * abs(flow.srtt - sample)
            flow.srtt = 0.875 * flow.srtt + 0.125 * sample
        else:
            flow.srtt, flow.rttvar, flow.measured = float(sample), sample / 2, True


# ---- the synchronisation protocol -----------------------------------------------------------------------------------


class Transport:
    """One end of a session. A state is how much there is of an append-only log, and (from a server) an echo ack."""

    def __init__(self, network, diff, apply, empty):
        self.network, self.diff, self.apply = network, diff, apply
        self.current = empty
        self.sent = [(0, now(), empty)]
        self.received = {0: empty if network.is_server else None}
        self.ack, self.remote_heard = 0, now()
        self.instruction, self.last_key = 0, None
        self.assembly, self.assembly_id = {}, None
        self.next_ack, self.pending_ack = now(), False
        self.ending, self.ended, self.tries = False, False, 0
        self.told_end = False

    def interval(self):
        return max(20, min(250, -int(-self.network.srtt() // 2)))

    def tick(self):
        front, (number, at, value) = self.sent[0], self.sent[-1]
        if self.pending_ack:
            self.next_ack = min(self.next_ack, now() + ACK_DELAY)
        if self.ending or self.ack == SHUTDOWN:
            if now() >= at + self.interval():
                self.tries += 1
                self.push(SHUTDOWN, front)
                self.ended = self.ended or self.tries > 16 or (self.ack == SHUTDOWN and not self.ending)
        elif self.current != value and now() >= at + self.interval():
            assumed = front
            for state in self.sent[1:]:
                if now() - state[1] >= self.network.rto() + ACK_DELAY:
                    break
                assumed = state
            self.push(number + 1, assumed)
        elif value != front[2] and now() >= at + self.network.rto() + ACK_DELAY:
            self.push(number, front)
        elif now() >= self.next_ack:
            self.push(number + 1, self.sent[-1] if value == front[2] else front)

    def push(self, number, base):
        if number != self.sent[-1][0]:
            self.sent.append((number, now(), self.current))
        else:
            self.sent[-1] = (number, now(), self.current)
        if len(self.sent) > 32:
            del self.sent[16]
        chaff = os.urandom(os.urandom(1)[0] % 17)
        message = b"".join(
            [
                field(1, 2),
                field(2, base[0]),
                field(3, number),
                field(4, self.ack),
                field(5, self.sent[0][0]),
                field(6, self.diff(base[2], self.current)),
                field(7, chaff),
            ]
        )
        self.instruction += 1
        body = zlib.compress(message)
        pieces = [body[at : at + 1234] for at in range(0, len(body), 1234)]
        for index, piece in enumerate(pieces):
            final = 0x8000 if index + 1 == len(pieces) else 0
            self.network.send(struct.pack(">QH", self.instruction, index | final) + piece)
        self.pending_ack = False
        self.next_ack = now() + HEARTBEAT

    def receive(self, payload):
        number, index = struct.unpack(">QH", payload[:10])
        if number != self.assembly_id:
            self.assembly, self.assembly_id = {}, number
        known = self.assembly.setdefault(index & 0x7FFF, (index, payload[10:]))
        assert known == (index, payload[10:]), "a fragment that changed"
        final = [at for at, (index, _) in self.assembly.items() if index & 0x8000]
        if not final or len(self.assembly) != final[0] + 1:
            return
        message = zlib.decompress(b"".join(self.assembly[at][1] for at in range(final[0] + 1)))
        self.assembly = {}
        self.process(dict(fields(message)), [number for number, _ in fields(message)])

    def process(self, message, numbers):
        assert message[1] == 2, "another version"
        assert all(1 <= number <= 7 for number in numbers), f"fields {numbers}"
        old, new, ack, throwaway = (message[number] for number in (2, 3, 4, 5))
        if any(state[0] == ack for state in self.sent):
            self.sent = [state for state in self.sent if state[0] >= ack]
            self.ended = self.ended or ack == SHUTDOWN
        if new in self.received or old not in self.received:
            return
        self.received = {number: value for number, value in self.received.items() if number >= throwaway}
        assert self.received, "everything thrown away"
        newest = new > max(self.received)
        self.received[new] = self.apply(self.received.get(old), message.get(6, b""), old, new, newest)
        if newest:
            self.ack = new
            self.remote_heard = now()
            self.pending_ack = self.pending_ack or bool(message.get(6))


class Server:
    """Serves bash. The screen is never looked at: what bash writes is what the client's terminal is told."""

    def __init__(self, network):
        self.log = b""
        self.master = None
        self.entries, self.echo = [], 0
        self.transport = Transport(network, self.diff, self.apply, (0, 0, None))
        self.transport.received = {0: 0}
        self.done, self.events, self.size = 0, [], None

    def diff(self, old, new):
        out = b""
        if new[1] != old[1]:
            out += field(1, field(7, field(8, new[1])))
        if new[2] != old[2]:
            out += field(1, field(3, field(5, new[2][0]) + field(6, new[2][1])))
        if new[0] != old[0]:
            out += field(1, field(2, field(4, self.log[old[0] : new[0]])))
        return out

    def apply(self, base, diff, _old, new, newest):
        count = base
        for _, instruction in fields(diff):
            for kind, body in fields(instruction):
                assert kind in (2, 3), f"a user's instruction {kind}"
                event = dict(fields(body))
                if kind == 3:
                    assert 0 < event[5] < 2**31 and 0 < event[6] < 2**31, f"a size of {event}"
                    events = [event]
                else:
                    events = [bytes([octet]) for octet in event[4]]
                for event in events:
                    count += 1
                    if count > len(self.events):
                        self.events.append(event)
        if newest and count > base:
            self.entries.append((new, now()))
        return count

    def start(self):
        pid, self.master = pty.fork()
        if pid == 0:
            os.environ.update(PS1="ready> ", HISTFILE="", TERM="xterm-256color")
            os.execvp("bash", ["bash", "--norc", "--noprofile"])

    def work(self):
        while self.done < len(self.events):
            event = self.events[self.done]
            self.done += 1
            if isinstance(event, bytes):
                if self.master is not None:
                    os.write(self.master, event)
            else:
                self.size = (event[5], event[6])
                if self.master is None:
                    self.start()
                fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", event[6], event[5], 0, 0))
        ready = [number for number, at in self.entries if now() - at > 50]
        self.echo = max(ready, default=self.echo)
        self.transport.current = (len(self.log), self.echo, self.size)

    def read(self):
        try:
            data = os.read(self.master, 16384)
        except OSError:
            data = b""
        # Its client aborts on a question in the output.
        self.log += data
        if not data:
            os.close(self.master)
            self.master = -1
            self.transport.ending = True


class Client:
    """Tells what the server's screen became, as bytes from one state to another."""

    def __init__(self, network):
        self.events = []
        self.transport = Transport(network, self.diff, self.apply, 0)
        self.transport.received = {0: (0, 0)}

    def diff(self, old, new):
        return b"".join(field(1, event) for event in self.events[old:new])

    def apply(self, base, diff, old, new, newest):
        echo, screen, size = base[0], b"", None
        for _, instruction in fields(diff):
            for kind, body in fields(instruction):
                assert kind in (2, 3, 7), f"a host's instruction {kind}"
                facts = dict(fields(body))
                if kind == 2:
                    screen += facts[4]
                elif kind == 3:
                    assert 0 < facts[5] < 2**31 and 0 < facts[6] < 2**31, f"a size of {facts}"
                    size = [facts[5], facts[6]]
                else:
                    assert facts[8] >= echo, "an echo ack that went back"
                    echo = facts[8]
        assert not re.search(rb"\x1b\[[0-9;>?]*[cn]|\x1b\[(18|14|2[01])t", screen), "a question to the terminal"
        say("state", old=old, new=new, size=size, hex=screen.hex())
        return echo, 0

    def keys(self, data):
        for octet in data:
            self.events.append(field(2, field(4, bytes([octet]))))
        self.transport.current = len(self.events)

    def resize(self, columns, rows):
        self.events.append(field(3, field(5, columns) + field(6, rows)))
        self.transport.current = len(self.events)


# ---- the programs ---------------------------------------------------------------------------------------------------


def command(line, network, end):
    word, *rest = line.split()
    if word == "dead":
        network.dead.add(rest[0])
    elif word == "alive":
        network.dead.discard(rest[0])
    elif word == "keys":
        end.keys(bytes.fromhex(rest[0]))
    elif word == "resize":
        end.resize(int(rest[0]), int(rest[1]))
    elif word == "hop":
        network.port = 0
        network.hop()
    elif word == "replay":
        thief = network.new_socket(network.families[0], 0)
        thief.sendto(network.request, network.remotes[0])
        time.sleep(0.5)
        say("replayed", answered=bool(select.select([thief], [], [], 0)[0]))
    elif word == "shutdown":
        end.transport.ending = True
    elif word == "stats":
        flows = {flow.number: [flow.src, list(flow.dst), round(flow.srtt)] for flow in network.flows.values()}
        say("stats", counts=network.counts, got_on=network.got_on, flows=flows)
    else:
        raise ValueError(line)


def run(network, end):
    waiting, told = b"", False
    stdin = sys.stdin.fileno()
    while not end.transport.ended:
        sources = [stdin, *network.sockets]
        if getattr(end, "master", None) not in (None, -1) and not end.transport.ending:
            sources.append(end.master)
        for source in select.select(sources, [], [], 0.005)[0]:
            if source == stdin:
                data = os.read(stdin, 65536)
                if not data:
                    return
                waiting += data
                *lines, waiting = waiting.split(b"\n")
                for line in lines:
                    command(line.decode(), network, end)
            elif isinstance(source, int):
                end.read()
            else:
                payload = network.receive(source)
                if payload is not None:
                    end.transport.receive(payload)
        if isinstance(end, Server):
            end.work()
            if network.last_flow is None:
                continue
        end.transport.tick()
    say("ended")


def verify():
    check()
    key = bytes(range(16))
    client, server = Codec(key, 0), Codec(key, 1)
    vectors = [
        (client, (1, 2, 0x1234, NONE, PROBE, 0, b""), "0001000000000002f0f5e9a083117930303d8c5271bd3caa599d9ae18d8d"),
        (client, (0, 0, 0x1234, NONE, ADDR, 0, b""), "000000000000000039022b58aa1dd5c00a779380fa2b34baa94a9b2b9819"),
        (server, (5, 7, 1, 2, 0, 3, b"abc"), "80050000000000079f4d95d9c3a6f8fc26da2f4b878c52e6c757d9659bf1f229ba"),
    ]
    for codec, parts, datagram in vectors:
        assert codec.seal(*parts).hex() == datagram, codec.seal(*parts).hex()
        other = server if codec is client else client
        assert other.open(bytes.fromhex(datagram)) == parts
        assert codec.open(bytes.fromhex(datagram)) is None
    assert Ocb3(key).seal(bytes(12), bytes.fromhex("1234ffff")).hex() == "39022b58039e83e3919aa6d7c2b344a0df6eec4f"
    assert dict(fields(field(3, 300) + field(6, b"x"))) == {3: 300, 6: b"x"}


def main():
    verify()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    role, *words = sys.argv[1:]
    if role == "server":
        key = os.urandom(16)
        records = bytes.fromhex(words[1]) if len(words) > 1 else b""
        network = Network(key, 1, words[0].split(","), 0, records=records)
        text = base64.b64encode(key).decode().rstrip("=")
        print(f"MOSH CONNECT {network.port} {text}", flush=True)
        run(network, Server(network))
    elif role == "client":
        key = base64.b64decode(words[1] + "==")
        network = Network(key, 0, words[2].split(","), 0, remote=(words[3], int(words[0])))
        client = Client(network)
        network.requested = now()
        network.send(b"", ADDR)
        client.resize(80, 24)
        run(network, client)
    else:
        assert role == "check", role


if __name__ == "__main__":
    main()
