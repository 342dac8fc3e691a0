# SPDX-License-Identifier: Apache-2.0
"""What a program wrote just before it ended is kept, and reading it keeps nobody waiting."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from homeport.drivers.runtimes.process.walls import Launch, Walls, write_own_files
from homeport.serve.keeper.instance import Instance
from homeport.serve.keeper.logs import AgentLog
from homeport.serve.keeper.loop import Loop

FILL = r"""
import fcntl, os
fcntl.fcntl(1, 1031, 1 << 20)
os.set_blocking(1, False)
room = (1 << 20) - 5
while room > 0:
    room -= os.write(1, b"\n" * min(room, 65536))
os.write(1, b"last\n")
"""


def test_a_full_pipe_left_behind_is_read_in_shares_between_which_others_have_their_turn(tmp_path: Path) -> None:
    """In a process of its own, because a keeper ends every child that it does not know."""
    done = subprocess.run([sys.executable, __file__, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    lines = (tmp_path / "logs" / "current.log").read_bytes().splitlines()
    assert told["gone"] == [""]
    assert [line.rpartition(b" ")[2] for line in lines if b" out " in line][-1] == b"last"
    assert sum(b" out " in line for line in lines) == (1 << 20) - 5 + 1
    assert told["turns"] > 32


def keep(folder: Path) -> dict[str, object]:
    """The loop begins once the program is done, so that a whole megabyte of empty lines is left in its pipe."""
    (folder / "code").mkdir()
    (folder / "data").mkdir()
    write_own_files(folder / "own")
    loop, gone = Loop(), []
    what = Launch(
        instance="ins_1", agent_id="agt_1", name="demo", argv=["python3", "-c", FILL], env={},
        code=str(folder / "code"), data=str(folder / "data"), own=folder / "own",
    )  # fmt: skip
    instance = Instance(
        {"instance": "ins_1", "address": ""}, what, loop=loop, walls=Walls(), log=AgentLog(folder / "logs", 0),
        on_started=lambda _, error: gone.append(error), on_gone=lambda _: loop.stop(),
    )  # fmt: skip
    instance.start()
    os.waitid(os.P_PID, instance.pid, os.WEXITED | os.WNOWAIT)
    turns = 0

    def another_turn() -> None:
        nonlocal turns
        turns += 1
        loop.soon(another_turn)

    loop.soon(another_turn)
    loop.run()
    loop.close()
    return {"gone": gone, "turns": turns}


if __name__ == "__main__":
    json.dump(keep(Path(sys.argv[1])), sys.stdout)
