# SPDX-License-Identifier: Apache-2.0
"""Which plugin files are used, which are refused and why, and what they may do wrong."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from homeport.app.extensions import Extensions, find_extensions, load_extensions
from homeport.errors import HomeportError, UsageError
from launchable import LAPTOP, OFFERS, SMALL, needs, plan_of

Write = Callable[..., Path]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "config" / "plugins"
    made.mkdir(parents=True, mode=0o755)
    made.chmod(0o755)
    return made


@pytest.fixture
def write(folder: Path) -> Write:
    def write(name: str, text: str, mode: int = 0o644) -> Path:
        path = folder / name
        path.write_text(text)
        path.chmod(mode)
        return path

    return write


def load(folder: Path, **more: float) -> Extensions:
    return load_extensions([folder], **more)


class TestWhichFilesAreUsed:
    def test_no_folder_is_no_extension(self, tmp_path: Path) -> None:
        assert load(tmp_path / "nowhere") == Extensions(loaded=(), limit_s=30.0)

    def test_a_folder_that_is_a_file_is_no_extension(self, tmp_path: Path) -> None:
        (tmp_path / "plugins").write_text("")
        assert not load(tmp_path / "plugins").troubles

    def test_they_are_listed_without_being_run(self, folder: Path, write: Write, tmp_path: Path) -> None:
        write("mine.py", f"open({str(tmp_path / 'ran')!r}, 'w')\ndef on_server_ready(info): ...\ndef select(a, b): ...")
        (found,) = find_extensions([folder])
        assert (found.name, found.roles, found.trouble) == ("mine", ("selector", "hook"), "")
        assert not (tmp_path / "ran").exists()

    @pytest.mark.parametrize("mode", [0o666, 0o664, 0o602])
    def test_one_that_others_can_write_to_is_refused(self, folder: Path, write: Write, mode: int) -> None:
        write("mine.py", "def select(a, b): raise SystemExit", mode)
        assert "others can write to it: chmod go-w" in load(folder).troubles[0]

    def test_one_in_a_folder_that_others_can_write_to_is_refused(self, folder: Path, write: Write) -> None:
        write("mine.py", "def select(a, b): ...")
        folder.chmod(0o777)
        assert f"others can write to its folder {folder}" in load(folder).troubles[0]

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
    def test_one_of_another_user_is_refused(self, folder: Path, write: Write) -> None:
        os.chown(write("mine.py", "def select(a, b): ..."), 12345, -1)
        assert "it belongs to another user (uid 12345)" in load(folder).troubles[0]

    def test_a_link_is_judged_by_what_it_leads_to(self, folder: Path, write: Write, tmp_path: Path) -> None:
        elsewhere = tmp_path / "open"
        elsewhere.mkdir()
        (elsewhere / "mine.py").write_text("def select(a, b): ...")
        (elsewhere / "mine.py").chmod(0o644)
        elsewhere.chmod(0o777)
        (folder / "mine.py").symlink_to(elsewhere / "mine.py")
        assert f"others can write to its folder {elsewhere}" in load(folder).troubles[0]
        elsewhere.chmod(0o755)
        assert load(folder).loaded

    def test_a_pipe_is_not_waited_for(self, folder: Path) -> None:
        os.mkfifo(folder / "mine.py", 0o644)
        assert "it is not a file" in load(folder).troubles[0]

    def test_links_that_lead_nowhere_or_in_a_circle_are_named(self, folder: Path) -> None:
        (folder / "a.py").symlink_to(folder / "b.py")
        (folder / "b.py").symlink_to(folder / "a.py")
        (folder / "c.py").symlink_to(folder / "gone")
        assert all("cannot be read" in one for one in load(folder).troubles)
        assert len(load(folder).troubles) == 3

    def test_one_that_is_far_too_long_is_refused(self, folder: Path, write: Write) -> None:
        write("mine.py", "def select(a, b): ...\n" + "#" * (1 << 20))
        assert "more than 1,048,576 bytes" in load(folder).troubles[0]

    def test_one_that_defines_nothing_of_use_says_what_there_is(self, folder: Path, write: Write) -> None:
        write("mine.py", "def selct_node_type(requirements): ...")
        assert "it defines none of select, select_node_type, before_launch" in load(folder).troubles[0]

    def test_one_that_only_mentions_a_name_is_not_used(self, folder: Path, write: Write) -> None:
        write("mine.py", "# not yet: select\n")
        assert "it has none of select, select_node_type" in load(folder).troubles[0]


class TestWhatGoesWrongWhileLoading:
    def test_a_syntax_error_is_named_with_its_line(self, folder: Path, write: Write) -> None:
        path = write("mine.py", "def select(a, b):\n  return (\n")
        assert f"{path}:2: SyntaxError" in load(folder).troubles[0]

    def test_an_error_is_named_with_its_line_in_the_plugin(self, folder: Path, write: Write) -> None:
        path = write("mine.py", "import json\n\ndef select(a, b): ...\njson.loads('x')")
        assert f"{path}:4: " in load(folder).troubles[0]
        assert "JSONDecodeError" in load(folder).troubles[0]

    def test_one_that_ends_the_program_does_not(self, folder: Path, write: Write) -> None:
        write("mine.py", "import sys\ndef select(a, b): ...\nsys.exit(3)")
        write("zeta.py", "def select(a, b): ...")
        found = load(folder)
        assert "SystemExit: 3" in found.troubles[0]
        assert [one.name for one in found.loaded] == ["zeta"]

    def test_one_that_never_ends_is_given_up(self, folder: Path, write: Write) -> None:
        write("mine.py", "import threading\ndef select(a, b): ...\nthreading.Event().wait()")
        assert "it did not end within 0.05 seconds" in load(folder, limit_s=0.05).troubles[0]


class TestSelectors:
    def choose(self, folder: Path, only: str = "", **more: float) -> tuple[list[tuple[str, str, str] | None], str]:
        picks, warnings = load(folder, **more).choose(needs(), OFFERS, only=only)
        return [one.machine for one in picks], " ".join(warnings)

    def test_a_selector_chooses_among_what_will_do(self, folder: Path, write: Write) -> None:
        write("mine.py", "def select(requirements, fitting): return fitting[-1]")
        assert self.choose(folder) == ([("chameleon", "uc", "gpu_rtx_6000")], "")

    def test_it_is_named_as_the_one_that_chose(self, folder: Path, write: Write) -> None:
        write("mine.py", "def select(requirements, fitting): return fitting[-1]")
        assert load(folder).choose(needs(), OFFERS)[0][0].by == "selector mine"

    @pytest.mark.parametrize("answer", ["'gpu_rtx_6000'", "('uc', 'gpu_rtx_6000')", "('CHI@UC', 'gpu_rtx_6000')"])
    def test_select_node_type_answers_with_names(self, folder: Path, write: Write, answer: str) -> None:
        write("mine.py", f"def select_node_type(requirements): return {answer}")
        assert self.choose(folder) == ([("chameleon", "uc", "gpu_rtx_6000")], "")

    def test_select_node_type_is_given_the_names_of_the_guide(self, folder: Path, write: Write) -> None:
        text = """
        def select_node_type(requirements):
            assert requirements['ram_gb'] == requirements.get('memory_gb', 0) == 160
            assert requirements['gpu_required'] is True and requirements['gpu_memory_gb'] == 24
            assert requirements['cpu_cores'] is None and requirements['os_type'] == 'ubuntu'
            assert requirements['python_version'] == '3.11' and requirements['cuda_required'] == '12.4'
            assert requirements['special_requirements'] == ['ffmpeg'] and requirements['disk_gb'] == 50
            if requirements.get('memory_gb', 0) > 128:
                return 'gpu_rtx_6000'
            return 'compute_haswell'
        """
        write("mine.py", text.replace("\n        ", "\n"))
        assert self.choose(folder) == ([("chameleon", "uc", "gpu_rtx_6000")], "")

    def test_none_leaves_it_to_the_ranking(self, folder: Path, write: Write) -> None:
        write("mine.py", "def select(requirements, fitting): return None")
        assert self.choose(folder) == ([], "")

    @pytest.mark.parametrize(
        ("answer", "told"),
        [
            ("'gpu_h100'", "'gpu_h100', which is not among the 3 machines that will do"),
            ("('tacc', 'gpu_rtx_6000')", "which is not among"),
            ("7", "a value of type int"),
            ("('a', 'b', 'c')", "which is not among"),
            ("b'gpu_rtx_6000'", "a value of type bytes"),
        ],
    )
    def test_what_will_not_do_is_not_followed(self, folder: Path, write: Write, answer: str, told: str) -> None:
        write("mine.py", f"def select_node_type(requirements): return {answer}")
        machines, warning = self.choose(folder)
        assert not machines
        assert "selector mine is not followed" in warning
        assert told in warning

    def test_an_offer_of_its_own_making_is_not_followed(self, folder: Path, write: Write) -> None:
        text = "import dataclasses\ndef select(r, fitting): return dataclasses.replace(fitting[0], cpus=999)"
        write("mine.py", text)
        assert "which is not among" in self.choose(folder)[1]

    def test_one_that_raises_is_a_warning_and_the_next_is_asked(self, folder: Path, write: Write) -> None:
        path = write("first.py", "def select(r, fitting):\n    return fitting[99]")
        write("second.py", "def select(r, fitting): return fitting[1]")
        machines, warning = self.choose(folder)
        assert machines == [("linode", "us-east", "g6-standard-1")]
        assert warning == f"selector first is not followed: {path}:2: IndexError: tuple index out of range"

    def test_one_that_never_answers_is_given_up(self, folder: Path, write: Write) -> None:
        write("mine.py", "import threading\ndef select(r, fitting): threading.Event().wait()")
        assert "did not end within 0.05 seconds" in self.choose(folder, limit_s=0.05)[1]

    def test_only_the_one_that_is_named_is_asked(self, folder: Path, write: Write) -> None:
        write("first.py", "def select(r, fitting): return fitting[0]")
        write("second.py", "def select(r, fitting): return fitting[1]")
        assert self.choose(folder, only="second")[0] == [("linode", "us-east", "g6-standard-1")]
        assert self.choose(folder, only="none") == ([], "")

    def test_a_name_that_is_not_there_is_an_error_that_says_why(self, folder: Path, write: Write) -> None:
        write("first.py", "def select(r, fitting): return fitting[0]")
        write("broken.py", "def select(r, fitting): return (")
        with pytest.raises(UsageError, match=r"no selector 'broken'\n.*SyntaxError") as caught:
            self.choose(folder, only="broken")
        assert caught.value.hint == "choose one of: first, none"

    def test_nobody_is_asked_where_nothing_will_do(self, folder: Path, write: Write) -> None:
        write("mine.py", "def select(r, fitting): return fitting[0]")
        assert load(folder).choose(needs(), ()) == ((), ())

    def test_async_functions_are_run_to_their_end(self, folder: Path, write: Write) -> None:
        write("mine.py", "import asyncio\nasync def select(r, f):\n    await asyncio.sleep(0)\n    return f[1]")

        async def inside() -> object:
            return self.choose(folder)

        assert asyncio.run(inside()) == ([("linode", "us-east", "g6-standard-1")], "")

    def test_dataclasses_of_a_plugin_work(self, folder: Path, write: Write) -> None:
        text = (
            "from __future__ import annotations\nimport dataclasses\n@dataclasses.dataclass\nclass A:\n  a: int = 1\n"
        )
        write("mine.py", text + "def select(r, f): return f[A().a]")
        assert self.choose(folder) == ([("linode", "us-east", "g6-standard-1")], "")


class TestHooks:
    def test_all_are_told_in_order_what_the_guides_promise(self, folder: Path, write: Write, tmp_path: Path) -> None:
        told = tmp_path / "told"
        text = f"""
def note(*words):
    with open({str(told)!r}, 'a') as out: print(*words, file=out)
def pre_launch_hook(server_name, image_id): note('pre', server_name, image_id)
def post_launch_hook(server_id, floating_ip): note('post', server_id, floating_ip)
def on_server_ready(info): note('ready', info['server_name'], info['node_type'], info['url'])
def before_launch(facts): note('before', facts['target'], facts['site'])
"""
        write("mine.py", text)
        extensions = load(folder)
        extensions.before_launch(plan_of(SMALL))
        done = extensions.after_launch(plan_of(SMALL), server_id="i-1", floating_ip="203.0.113.7", url="http://a/")
        assert done == ()
        assert told.read_text().splitlines() == [
            "before linode us-east", "pre notes None", "post i-1 203.0.113.7", "ready notes g6-standard-1 http://a/"
        ]  # fmt: skip

    def test_one_that_raises_before_stops_the_launch(self, folder: Path, write: Write) -> None:
        path = write("mine.py", "def pre_launch_hook(server_name, image_id):\n    raise ValueError('not on a Friday')")
        with pytest.raises(HomeportError, match="hook mine stops the launch") as caught:
            load(folder).before_launch(plan_of(LAPTOP))
        assert f"{path}:2: ValueError: not on a Friday" in caught.value.message

    def test_one_that_never_answers_before_stops_the_launch(self, folder: Path, write: Write) -> None:
        write("mine.py", "import threading\ndef before_launch(facts): threading.Event().wait()")
        with pytest.raises(HomeportError, match="did not end within"):
            load(folder, limit_s=0.05).before_launch(plan_of(LAPTOP))

    def test_one_that_may_say_no_and_cannot_be_asked_stops_the_launch(self, folder: Path, write: Write) -> None:
        write("mine.py", "def pre_launch_hook(server_name, image_id): return (")
        with pytest.raises(HomeportError, match="it may say no to a launch, and cannot be asked"):
            load(folder).before_launch(plan_of(LAPTOP))

    def test_a_selector_that_cannot_be_loaded_stops_no_launch(self, folder: Path, write: Write) -> None:
        write("mine.py", "def select(r, fitting): return (")
        load(folder).before_launch(plan_of(LAPTOP))

    def test_one_that_raises_after_is_a_warning_and_the_others_are_told(
        self, folder: Path, write: Write, tmp_path: Path
    ) -> None:
        path = write(
            "first.py", "def on_server_ready(server_info):\n    server_info.clear()\n    raise KeyError('dns')"
        )
        told = f"Path({str(tmp_path / 'told')!r})"
        write("later.py", f"from pathlib import Path\ndef on_ready(facts): {told}.write_text(facts['plan_id'])")
        warnings = load(folder).after_launch(plan_of(LAPTOP))
        assert warnings == (f"hook first: on_server_ready: {path}:3: KeyError: 'dns'",)
        assert (tmp_path / "told").read_text() == "pln_1"


def test_what_plugins_print_is_never_among_the_data(folder: Path, write: Write) -> None:
    write(
        "mine.py", "import os\nprint('loading')\ndef select(r, f):\n    print('asked')\n    os.system('echo a child')"
    )
    script = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from pathlib import Path
from homeport.app.extensions import load_extensions
from launchable import OFFERS, needs
load_extensions([Path({str(folder)!r})]).choose(needs(), OFFERS)
print('data')
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "data\n"
    assert done.stderr.split() == ["loading", "asked", "a", "child"]
