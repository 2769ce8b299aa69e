# --progress: plain prints one line a step, auto a live line on a terminal and nothing elsewhere, none nothing.
# RUN: rm -rf %t && mkdir %t && cd %t && %python %s %tegulac %S/Inputs/add.mlir
import os
import pty
import subprocess
import sys

tool, source = sys.argv[1:]
command = [tool, "--start-after=import", source, "-o", "add.so"]


def errors(*flags):
    return subprocess.run([*command, *flags], check=True, capture_output=True, text=True).stderr


def on_terminal(*flags):
    """What the tool writes when standard error is a terminal."""
    leader, follower = pty.openpty()
    environment = {**os.environ, "TERM": "xterm"}
    done = subprocess.Popen([*command, *flags], stderr=follower, env=environment)
    os.close(follower)
    text = b""
    while True:
        try:
            chunk = os.read(leader, 4096)
        except OSError:  # the other side is closed
            break
        if not chunk:
            break
        text += chunk
    assert done.wait() == 0
    return text.decode()


lines = errors("--progress=plain").splitlines()
assert [line.split()[2].rstrip(":,") for line in lines] == ["graph", "tile", "buffer", "emit", "code"], lines
assert lines[1].startswith("tegulac: [3/6] tile: 1 units, ") and lines[1].endswith(" s"), lines
assert errors("--progress=none") == errors() == errors("--progress=auto") == ""
live = on_terminal()
assert "[6/6] code" in live and live.endswith("\r\x1b[K"), live
assert on_terminal("--progress=none") == ""
assert subprocess.run([*command, "--progress=loud"], stderr=subprocess.DEVNULL).returncode == 2
