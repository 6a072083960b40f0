"""Many clients at once ask the server of `vae explore` for a while: every answer must be whole, and its memory flat.

    python3 tests/explore/load.py target/debug/vae [--clients 200] [--seconds 60]
"""

import argparse
import asyncio
import json
import pathlib
import random
import re
import statistics
import subprocess
import tempfile
import time

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("vae", type=pathlib.Path)
parser.add_argument("--clients", type=int, default=200)
parser.add_argument("--seconds", type=float, default=60)
args = parser.parse_args()

LATENT = 6


def request(chance, host):
    """A request, and what its answer must have."""
    code = [chance.gauss(0, 1) for _ in range(LATENT)]
    kind = chance.randrange(6)
    if kind == 0:
        path, body, key = f"/api/items/{chance.randrange(300)}", None, "neighbours"
    elif kind == 1:
        path, body, key = "/api/sample", {"count": 3, "seed": chance.randrange(1000)}, "examples"
    elif kind == 2:
        path, body, key = "/api/walk", {"from": code, "to": code[::-1], "steps": 5}, "codes"
    elif kind == 3:
        path, body, key = "/api/decode", {"at": [[chance.gauss(0, 1), chance.gauss(0, 1)]]}, "points"
    else:
        path, body, key = "/api/decode", {"codes": [code]}, "examples"
    method, content = ("GET", b"") if body is None else ("POST", json.dumps(body).encode())
    head = f"{method} {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n"
    return head.encode() + content, key


async def client(number, host, until, times):
    chance = random.Random(number)
    reader, writer = await asyncio.open_connection(*host.split(":"))
    while time.monotonic() < until:
        asked, key = request(chance, host)
        began = time.monotonic()
        writer.write(asked)
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = int(re.search(r"content-length: (\d+)", head, re.IGNORECASE)[1])
        answer = json.loads(await reader.readexactly(length))
        assert head.startswith("HTTP/1.1 200") and answer[key], (asked, head, answer)
        times.append(time.monotonic() - began)
    writer.close()


def memory(program):
    status = pathlib.Path(f"/proc/{program.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024


async def load(program, host):
    times, until = [], time.monotonic() + args.seconds
    clients = [asyncio.create_task(client(number, host, until, times)) for number in range(args.clients)]
    held = []
    while time.monotonic() < until:
        await asyncio.sleep(args.seconds / 12)
        held.append(memory(program))
    await asyncio.gather(*clients)
    return times, held


def main():
    vae = str(args.vae.resolve())
    with tempfile.TemporaryDirectory() as place:
        train = f"--limit 1000 --epochs 1 --hidden 64 --latent {LATENT} --quiet --out run".split()
        subprocess.run([vae, *train], cwd=place, check=True)
        command = [vae, *"explore run --first 300 --port 0 --quiet".split()]
        program = subprocess.Popen(command, cwd=place, stdout=subprocess.PIPE, text=True)
        try:
            host = program.stdout.readline().strip().removeprefix("http://").rstrip("/")
            time.sleep(3)
            times, held = asyncio.run(load(program, host))
        finally:
            program.terminate()
            program.wait()
    times.sort()
    half, most = 1000 * statistics.median(times), 1000 * times[int(0.99 * len(times))]
    print(f"{args.clients} clients, {args.seconds:.0f} s: {len(times)} answers, all whole; {len(times) / args.seconds:.0f} a second, "
          f"median {half:.0f} ms, 99th percentile {most:.0f} ms")
    print("memory in MiB: " + ", ".join(f"{of:.0f}" for of in held))
    growth = statistics.mean(held[-3:]) / statistics.mean(held[2:5])
    assert growth < 1.1, f"the memory grew to {growth:.2f} of what it was"


main()
