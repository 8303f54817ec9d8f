#!/usr/bin/env python3
"""Reads an strace of the running quorums and looks for a promise that left before its fsync. See README.md beside it."""
import re
import sys

REPLICA = re.compile(rb'\x00\x00\x00[\x01-\x09]\x00{11}\x07')   # directory ids of the tests: node, zeros, 7
FETCH, VOTE = b'\x00\x01\x00\x12', b'\x00\x34\x00\x02'           # key and version, behind the frame's size


def number(b):
    return int.from_bytes(b, 'big', signed=True)


def unhex(text):
    return bytes(int(x, 16) for x in re.findall(r'\\x([0-9a-f]{2})', text))


def payload(args):
    found = re.search(r'"((?:\\x..)*)"', args)
    return unhex(found[1]) if found else b''


def calls(lines):
    """(name, arguments, began, done) in order; a call that was interrupted in the trace comes twice."""
    begun = {}
    for line in lines:
        if not (m := re.match(r'(\d+) +[\d.]+ (.*)$', line)):
            continue
        pid, rest = m.groups()
        if resumed := re.match(r'<\.\.\. (\w+) resumed>(.*)$', rest):
            if (start := begun.pop((pid, resumed[1]), None)) is not None:
                yield pid, resumed[1], start + resumed[2], False, True
        elif call := re.match(r'(\w+)\((.*)$', rest):
            done = '<unfinished' not in call[2]
            if not done:
                begun[pid, call[1]] = call[2].replace('<unfinished ...>', '')
            yield pid, call[1], call[2], True, done


class Checker:
    def __init__(self):
        self.root = None                    # of the test that runs: one after another
        self.written, self.flushed, self.syncing = {}, {}, {}
        self.state, self.durable_votes = {}, {}
        self.asked = {}                     # connection -> voter, epoch, candidate, pre-vote
        self.newest, self.counts, self.bad = {}, {'fetches': 0, 'acknowledging': 0, 'own votes': 0, 'granted votes': 0}, []

    def see(self, pid, name, args, began, done):
        target = re.match(r'\d+<((?:\\x..)+)>', args)
        path = unhex(target[1]).decode() if target else ''
        if name == 'rename':
            path = unhex(re.findall(r'"((?:\\x..)+)"', args)[1]).decode()
        place = re.match(r'(/tmp/milena-quorum-\w+)/node-(\d)/__cluster_metadata-0(/.*)?$', path)
        if place:
            self.root = place[1]
            self.disk(pid, name, args, began, done, (place[1], int(place[2])), place[3] or '')
        elif path.startswith('socket'):
            if name == 'recvfrom' and done:
                self.received(path, payload(args))
            elif name == 'sendto' and began:
                self.sent(path, payload(args))

    def disk(self, pid, name, args, began, done, node, file):
        if name == 'pwrite64' and began and file.endswith('.log'):
            data, at = payload(args), 0
            while at + 61 <= len(data):
                self.written[node] = number(data[at:at + 8]) + number(data[at + 23:at + 27]) + 1
                at += 12 + number(data[at + 8:at + 12])
        elif name == 'pwrite64' and began and 'quorum-state' in file:
            text = payload(args).decode()
            vote = tuple(int(re.search(f'"{key}":(-?\\d+)', text)[1]) for key in ('leaderEpoch', 'votedId'))
            self.state[node] = [vote, 'written']
        elif name == 'rename' and done and file == '/quorum-state' and self.state[node][1] == 'synced':
            self.state[node][1] = 'renamed'
        elif name == 'fsync':
            self.synced(pid, began, done, node, file)

    def synced(self, pid, began, done, node, file):
        if began:
            self.syncing[pid] = self.written.get(node, 0)
        if not done:
            return
        if file.endswith('.log'):
            self.flushed[node] = max(self.flushed.get(node, 0), self.syncing[pid])
        elif 'quorum-state' in file:
            self.state[node][1] = 'synced'
        elif file == '' and self.state.get(node, [0, ''])[1] == 'renamed':
            self.durable_votes.setdefault(node, set()).add(self.state[node][0])

    def received(self, connection, data):
        if data[0:4] == VOTE:
            candidate, voter = (m.start() for m in REPLICA.finditer(data))
            self.asked[connection] = (number(data[voter:voter + 4]), number(data[candidate - 8:candidate - 4]), number(data[candidate:candidate + 4]), data[voter + 28])

    def sent(self, connection, data):
        if data[4:8] == FETCH:
            at = REPLICA.search(data).start()
            node, offset = (self.root, number(data[at:at + 4])), number(data[at - 27:at - 19])
            self.count('fetches', offset > self.flushed.get(node, 0), (node, offset))
            if offset > self.newest.get(node, 0):
                self.newest[node] = offset
                self.counts['acknowledging'] += 1
        elif data[4:8] == VOTE:
            candidate, voter = (m.start() for m in REPLICA.finditer(data))
            if not data[voter + 28]:
                self.vote('own votes', number(data[candidate:candidate + 4]), number(data[candidate - 8:candidate - 4]), number(data[candidate:candidate + 4]))
        elif connection in self.asked:
            voter, epoch, candidate, pre_vote = self.asked.pop(connection)
            if not pre_vote and data[-4]:
                self.vote('granted votes', voter, epoch, candidate)

    def vote(self, kind, voter, epoch, candidate):
        self.count(kind, (epoch, candidate) not in self.durable_votes.get((self.root, voter), ()), (voter, epoch, candidate))

    def count(self, kind, is_bad, what):
        self.counts[kind] += 1
        if is_bad:
            self.bad.append((kind, what))


checker = Checker()
for call in calls(open(sys.argv[1])):
    checker.see(*call)
print(checker.counts, 'before their fsync:', checker.bad or 'none')
sys.exit(bool(checker.bad) or not all(checker.counts.values()))
