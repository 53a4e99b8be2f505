#!/usr/bin/python3
"""units_test.py SERVICE SOCKET POSTERN - what systemd says of our units, and that they fit the program.

Exit status: 0 kept, 1 broken, 77 there is no systemd-analyze here.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

EXPOSURE_MOST = 2.0  # of systemd-analyze security: 10 is a service without any protection


def complain(what):
    print(f"units_test: {what}")
    sys.exit(1)


def analyze(folder, *arguments):
    return subprocess.run(["systemd-analyze", *arguments], cwd=folder, text=True, capture_output=True, check=False,
                          env={**os.environ, "SYSTEMD_UNIT_PATH": f"{folder}:", "LC_ALL": "C"})


def main():
    service, unit_socket, program = sys.argv[1:]
    if not shutil.which("systemd-analyze"):
        print("no systemd-analyze here")
        return 77
    with tempfile.TemporaryDirectory(prefix="postern-units-") as folder:
        with open(service, encoding="utf-8") as file:
            text = file.read()
        command = re.search(r"^ExecStart=(\S+) (.*)$", text, re.MULTILINE)
        if os.path.basename(command[1]) != "postern" or "@" in command[1]:
            complain(f"ExecStart is {command[0]}")
        usage = subprocess.run([program, *command[2].split(), "--help"], text=True, capture_output=True, check=False)
        if usage.returncode != 0:
            complain(f"the program does not know its command: {usage.stderr}")
        path = os.path.join(folder, "postern.service")
        with open(path, "w", encoding="utf-8") as file:  # as installed, with the program that is here
            file.write(text.replace(command[1], os.path.abspath(program)))
        shutil.copy(unit_socket, os.path.join(folder, "postern.socket"))
        said = analyze(folder, "verify", "--man=no", path, os.path.join(folder, "postern.socket"))
        ours = [line for line in (said.stdout + said.stderr).splitlines() if "postern." in line]
        if ours:
            complain("\n".join(ours))
        said = analyze(folder, "security", "--offline=yes", path)
        exposure = re.search(r"exposure level for postern.service: ([\d.]+)", said.stdout)
        if not exposure:
            complain(f"no exposure level: {said.stdout[-300:]}{said.stderr}")
        print(exposure[0])
        if float(exposure[1]) > EXPOSURE_MOST:
            complain(f"it is protected less than it was:\n{said.stdout}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
