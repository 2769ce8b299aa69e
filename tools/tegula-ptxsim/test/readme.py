"""The README's table of instructions is what `ptxsim-run --instructions` prints; --update writes it."""
import os
import subprocess
import sys

import ptxsim

MARK = "<!-- made by ptxsim-run --instructions -->\n"


def main():
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "README.md")
    text = open(path).read()
    before, _, _ = text.partition(MARK)
    table = subprocess.run([ptxsim.RUN, "--instructions"], capture_output=True, text=True, check=True).stdout
    wanted = before + MARK + table
    if "--update" in sys.argv:
        open(path, "w").write(wanted)
        return 0
    if text != wanted:
        print("the table is stale: run test/readme.py --update")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
