# SPDX-License-Identifier: Apache-2.0
"""What Go and Rust projects say: versions, programs, ports, kinds of work, crates and modules for GPUs."""

from __future__ import annotations

import pytest

from homeport.analyze import analyze
from homeport.model.requirements import Ecosystem, GpuNeed, Kind
from homeport.testing.fetchers import DictView

MOD = "module example.com/acme/notes\n\ngo 1.22\n"
MAIN = "package main\n\nfunc main() {\n%s\n}\n"
CARGO = '[package]\nname = "notes"\nedition = "2021"\nrust-version = "1.75"\n'


def value(files: dict[str, str], field: str) -> object:
    found = getattr(analyze(DictView(files)), field)
    return found.value if found is not None else None


@pytest.mark.parametrize(
    ("files", "start"),
    [
        ({"main.go": MAIN % ""}, ("go", "run", ".")),
        ({"cmd/server/main.go": MAIN % "", "notes.go": "package notes\n"}, ("go", "run", "./cmd/server")),
        ({"cmd/zzz/main.go": MAIN % "", "cmd/notes/main.go": MAIN % ""}, ("go", "run", "./cmd/notes")),
        ({"cmd/migrate/main.go": MAIN % "", "cmd/api/main.go": MAIN % ""}, ("go", "run", "./cmd/api")),
        ({"notes.go": "package notes\n"}, None),
        ({"gen.go": "//go:build ignore\n\n" + MAIN % ""}, None),
        ({"examples/demo/main.go": MAIN % "", "notes.go": "package notes\n"}, None),
        ({"main_test.go": MAIN % ""}, None),
        ({"cmd/$TOKEN/main.go": MAIN % ""}, None),
    ],
)
def test_a_go_program_is_started_and_a_library_is_not(files, start):
    assert value({"go.mod": MOD, **files}, "start") == start


@pytest.mark.parametrize(
    ("code", "port"),
    [
        ('\thttp.ListenAndServe(":8081", nil)', 8081),
        ('\thttp.ListenAndServe("0.0.0.0:9001", nil)', 9001),
        ('\tlis, _ := net.Listen("tcp", ":50051")', 50051),
        ('\tapp.Listen(":3000")', 3000),
        ('\te.Logger.Fatal(e.Start(":1323"))', 1323),
        ('\tport := flag.Int("port", 7000, "where")', 7000),
        ('\taddr := flag.String("listen-addr", ":7001", "where")', 7001),
        ('\tport := getenv("PORT", "7002")', 7002),
        ('\tsrv := &http.Server{Addr: ":7003"}', 7003),
        ('\tconst defaultPort = "7004"', 7004),
        ("\tr := gin.Default()\n\tr.Run()", 8080),
        ('\t// http.ListenAndServe(":8081", nil)', None),
        ('\tclient.Get("http://other:8081/")', None),
    ],
)
def test_a_go_program_names_the_port_it_listens_on(code, port):
    assert value({"go.mod": MOD, "main.go": MAIN % code}, "port") == port


@pytest.mark.parametrize(
    ("files", "kind"),
    [
        ({"main.go": MAIN % '\thttp.ListenAndServe(":80", nil)'}, Kind.SERVICE),
        ({"notes.go": "package notes\n"}, Kind.LIBRARY),
        ({"main.go": MAIN % "", "go.mod": MOD + "require github.com/spf13/cobra v1.8.0\n"}, Kind.CLI),
    ],
)
def test_what_sort_of_work_a_go_project_is(files, kind):
    assert value({"go.mod": MOD, **files}, "kind") is kind


def test_a_go_project_says_its_version_its_health_route_and_its_variables():
    found = analyze(DictView({
        "go.mod": "module x.example/y\n\ngo 1.21.3\n\ntoolchain go1.22.1\n",
        "main.go": MAIN % '\tmux.HandleFunc("GET /healthz", ok)\n\tkey := os.Getenv("STRIPE_KEY")',
    }))  # fmt: skip
    assert found.ecosystem.value is Ecosystem.GO
    assert found.runtime_version.value == "1.21"
    assert found.health_path.value == "/healthz"
    assert "STRIPE_KEY" in found.env


def test_go_that_links_cuda_can_use_a_gpu():
    code = 'package main\n\n// #cgo LDFLAGS: -lcudart\nimport "C"\n\nfunc main() {}\n'
    assert value({"go.mod": MOD, "main.go": code}, "gpu") is GpuNeed.OPTIONAL


def test_a_module_that_only_reads_gpus_is_no_need():
    mod = MOD + "require github.com/NVIDIA/go-nvml v0.12.0\n"
    assert value({"go.mod": mod, "main.go": MAIN % ""}, "gpu") is GpuNeed.NO


@pytest.mark.parametrize(
    ("files", "start"),
    [
        ({"src/main.rs": "fn main() {}\n"}, ("cargo", "run", "--release")),
        ({"src/lib.rs": "pub fn f() {}\n"}, None),
        ({"Cargo.toml": CARGO + '[[bin]]\nname = "a"\npath = "src/a.rs"\n[[bin]]\nname = "b"\npath = "src/b.rs"\n',
          "src/a.rs": "fn main() {}\n", "src/b.rs": "fn main() {}\n"}, ("cargo", "run", "--release", "--bin", "a")),
        ({"Cargo.toml": CARGO + 'default-run = "b"\n[[bin]]\nname = "a"\npath = "src/a.rs"\n[[bin]]\nname = "b"\n'
          'path = "src/b.rs"\n', "src/a.rs": "fn main() {}\n", "src/b.rs": ""},
         ("cargo", "run", "--release", "--bin", "b")),
        ({"src/bin/serve.rs": "fn main() {}\n"}, ("cargo", "run", "--release", "--bin", "serve")),
        ({"Cargo.toml": '[workspace]\nmembers = ["api", "core"]\n', "api/Cargo.toml": '[package]\nname = "api"\n',
          "api/src/main.rs": "fn main() {}\n", "core/Cargo.toml": '[package]\nname = "core"\n', "core/src/lib.rs": ""},
         ("cargo", "run", "--release", "--package", "api")),
        ({"Cargo.toml": '[workspace]\nmembers = ["xtask"]\n', "xtask/Cargo.toml": '[package]\nname = "xtask"\n',
          "xtask/src/main.rs": "fn main() {}\n"}, None),
        ({"Cargo.toml": CARGO + '[[bin]]\nname = "convert"\npath = "src/convert.rs"\n', "src/lib.rs": "",
          "src/convert.rs": "fn main() {}\n"}, None),
    ],
)  # fmt: skip
def test_a_rust_binary_is_started_and_a_library_is_not(files, start):
    assert value({"Cargo.toml": CARGO, **files}, "start") == start


@pytest.mark.parametrize(
    ("code", "port"),
    [
        ('    let l = TcpListener::bind("0.0.0.0:3000").await;', 3000),
        ('    HttpServer::new(app).bind(("127.0.0.1", 8088))', 8088),
        ("    let addr = SocketAddr::from(([0, 0, 0, 0], 4000));", 4000),
        ("    warp::serve(routes).run(([127, 0, 0, 1], 3030)).await;", 3030),
        ('    let port = env::var("PORT").unwrap_or("5005".into());', 5005),
        ("    const DEFAULT_PORT: u16 = 6_006;", 6006),
        ('    // bind("0.0.0.0:3000")', None),
    ],
)
def test_a_rust_program_names_the_port_it_listens_on(code, port):
    cargo = CARGO + '[dependencies]\naxum = "0.7"\n'
    assert value({"Cargo.toml": cargo, "src/main.rs": "fn main() {\n" + code + "\n}\n"}, "port") == port


def test_rocket_listens_where_its_file_says_else_on_8000():
    files = {"Cargo.toml": CARGO + '[dependencies]\nrocket = "0.5"\n', "src/main.rs": "#[launch]\nfn rocket() {}\n"}
    assert value(files, "port") == 8000
    assert value({**files, "Rocket.toml": "[default]\nport = 9090\n"}, "port") == 9090


@pytest.mark.parametrize(
    ("cargo", "need"),
    [
        ('[dependencies]\ncudarc = "0.11"\n', GpuNeed.NEEDED),
        ('[dependencies]\ncudarc = { version = "0.11", optional = true }\n', GpuNeed.OPTIONAL),
        ('[dependencies]\ncandle-core = { version = "0.6", features = ["cuda"] }\n', GpuNeed.NEEDED),
        ('[dependencies]\ntch = "0.15"\n', GpuNeed.OPTIONAL),
        ('[features]\ndefault = ["cuda"]\ncuda = []\n', GpuNeed.NEEDED),
        ('[features]\ndefault = []\ncuda = []\n', GpuNeed.OPTIONAL),
        ('[dependencies]\nnvml-wrapper = "0.10"\n', GpuNeed.NO),
    ],
)  # fmt: skip
def test_crates_say_whether_a_gpu_is_needed(cargo, need):
    assert value({"Cargo.toml": CARGO + cargo, "src/main.rs": "fn main() {}\n"}, "gpu") is need


@pytest.mark.parametrize(
    ("files", "kind"),
    [
        ({"src/lib.rs": ""}, Kind.LIBRARY),
        ({"Cargo.toml": CARGO + '[dependencies]\nclap = "4"\n', "src/main.rs": "fn main() {}\n"}, Kind.CLI),
        ({"Cargo.toml": CARGO + '[dependencies]\naxum = "0.7"\n',
          "src/main.rs": 'fn main() { bind("0.0.0.0:3000") }\n'}, Kind.SERVICE),
        ({"Cargo.toml": CARGO + '[dependencies]\nmpi = "0.7"\n', "src/main.rs": "fn main() {}\n"}, Kind.HPC),
    ],
)  # fmt: skip
def test_what_sort_of_work_a_rust_project_is(files, kind):
    assert value({"Cargo.toml": CARGO, **files}, "kind") is kind


def test_a_pinned_toolchain_outranks_the_least_version():
    files = {"Cargo.toml": CARGO, "src/lib.rs": ""}
    assert value(files, "runtime_version") == "1.75"
    pinned = '[toolchain]\nchannel = "1.80.1"\n'
    assert value({**files, "rust-toolchain.toml": pinned}, "language_version") == "1.80.1"


def test_go_without_a_module_file_is_go_and_starts_by_nobodys_word():
    found = analyze(DictView({"notes.go": "package notes\n", "LICENSE": "x\n"}))
    assert (found.ecosystem.value, found.start, found.kind.value) == (Ecosystem.GO, None, Kind.LIBRARY)


def test_an_image_of_any_version_says_none():
    files = {"go.mod": MOD, "main.go": MAIN % "", "Dockerfile": "FROM golang:1-alpine AS b\nFROM scratch\n"}
    assert value(files, "runtime_version") == "1.22"
