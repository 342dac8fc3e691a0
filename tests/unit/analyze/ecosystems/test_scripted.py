# SPDX-License-Identifier: Apache-2.0
"""PHP, Ruby, .NET, R, Julia and Elixir: what says that it is one, how it starts, its version, port and health path."""

from __future__ import annotations

import json

import pytest

from homeport.analyze import analyze
from homeport.model.requirements import Ecosystem, GpuNeed, Kind
from homeport.testing.fetchers import DictView

RAILS = {
    "Gemfile": 'source "https://rubygems.example"\nruby "3.3.0"\ngem "rails"\n',
    "config/application.rb": "Rails\n",
}
WEB = (
    '<Project Sdk="Microsoft.NET.Sdk.Web"><PropertyGroup><TargetFramework>net8.0</TargetFramework></PropertyGroup>'
    "{}</Project>\n"
)
PLUMBER = "#* @get /health\nfunction() list(ok = TRUE)\n"
JULIA = 'name = "Notes"\nuuid = "aaaa"\n[deps]\nHTTP = "cd3e"\n[compat]\njulia = "1.9"\n'
MIX = 'defmodule N.MixProject do\n  def project, do: [app: :n, elixir: "~> 1.15"]\n'


def composer(**data: object) -> str:
    return json.dumps(data)


def value(files: dict[str, str], field: str) -> object:
    found = getattr(analyze(DictView(files)), field)
    return found.value if found is not None else None


@pytest.mark.parametrize(
    ("files", "ecosystem", "version"),
    [
        ({"composer.json": composer(require={"php": "^8.2"}), "index.php": "<?php\n"}, Ecosystem.PHP, "8.2"),
        (RAILS, Ecosystem.RUBY, "3.3.0"),
        ({**RAILS, ".ruby-version": "ruby-3.3.5\n"}, Ecosystem.RUBY, "3.3.5"),
        ({"n.gemspec": 's.required_ruby_version = ">= 3.1"\n', "lib/n.rb": ""}, Ecosystem.RUBY, "3.1"),
        ({"Api.csproj": WEB.format(""), "Program.cs": ""}, Ecosystem.DOTNET, "8.0"),
        ({"src/N.fsproj": WEB.format(""), "src/N.fs": "", "global.json": '{"sdk": {"version": "9.0.100"}}'},
         Ecosystem.DOTNET, "8.0"),
        ({"DESCRIPTION": "Package: notes\nDepends:\n    R (>= 4.1.0)\n", "R/a.R": ""}, Ecosystem.R, "4.1.0"),
        ({"renv.lock": '{"R": {"Version": "4.3.2"}}', "app.R": "shinyApp(ui, server)\n"}, Ecosystem.R, "4.3.2"),
        ({"Project.toml": JULIA, "src/Notes.jl": "module Notes end\n"}, Ecosystem.JULIA, "1.9"),
        ({"mix.exs": MIX, "lib/n.ex": ""}, Ecosystem.ELIXIR, "1.15"),
        ({"mix.exs": MIX, "lib/n.ex": "", ".tool-versions": "erlang 26.2\nelixir 1.16.1-otp-26\n"}, Ecosystem.ELIXIR,
         "1.16.1"),
    ],
)  # fmt: skip
def test_a_project_says_its_language_and_version(files, ecosystem, version):
    found = analyze(DictView(files))
    assert found.ecosystem.value is ecosystem
    assert found.runtime_version.value == version


@pytest.mark.parametrize(
    ("files", "start"),
    [
        ({"composer.json": composer(require={"laravel/framework": "^11"}), "artisan": "", "public/index.php": ""},
         "php artisan serve --host 0.0.0.0 --port $PORT"),
        ({"composer.json": composer(), "public/index.php": "<?php\n"}, "php -S 0.0.0.0:$PORT -t public"),
        ({"index.php": "<?php\n"}, "php -S 0.0.0.0:$PORT"),
        ({"composer.json": composer(type="library"), "src/A.php": ""}, None),
        (RAILS, "bundle exec rails server -b 0.0.0.0 -p $PORT"),
        ({"Gemfile": 'gem "puma"\n', "config.ru": "run App\n"}, "bundle exec puma -b tcp://0.0.0.0:$PORT"),
        ({"Gemfile": 'gem "rack"\n', "config.ru": "run App\n"}, "bundle exec rackup -o 0.0.0.0 -p $PORT"),
        ({"Gemfile": 'gem "sinatra"\n', "app.rb": "require 'sinatra'\n"},
         "bundle exec ruby app.rb -o 0.0.0.0 -p $PORT"),
        ({"Gemfile": "gemspec\n", "n.gemspec": "", "config.ru": "run App\n", "lib/n.rb": ""}, None),
        ({"src/Api/Api.csproj": WEB.format(""), "src/Api/P.cs": "",
          "src/Core/Core.csproj": '<Project Sdk="Microsoft.NET.Sdk"/>'},
         "dotnet run --project src/Api/Api.csproj"),
        ({"T.csproj": '<Project Sdk="Microsoft.NET.Sdk"><PropertyGroup><OutputType>Exe</OutputType></PropertyGroup>'
          "</Project>", "Program.cs": ""}, "dotnet run --project T.csproj"),
        ({"N.csproj": '<Project Sdk="Microsoft.NET.Sdk"/>'}, None),
        ({"tests/N.Tests/N.Tests.csproj": WEB.format("")}, None),
        ({"Project.toml": JULIA, "server.jl": "HTTP.serve(router, \"0.0.0.0\", 8081)\n"},
         "julia --project=. server.jl"),
        ({"Project.toml": JULIA, "src/Notes.jl": ""}, None),
        ({"mix.exs": MIX + '  {:phoenix, "~> 1.7"}\n', "lib/n_web/endpoint.ex": ""}, "mix phx.server"),
        ({"mix.exs": MIX + '  mod: {N.Application, []}\n  {:bandit, "~> 1.0"}\n'}, "mix run --no-halt"),
        ({"mix.exs": MIX, "lib/n.ex": ""}, None),
    ],
)  # fmt: skip
def test_a_program_is_started_and_a_library_is_not(files, start):
    found = value(files, "start")
    assert (" ".join(found) if found else None) == start


@pytest.mark.parametrize("files", [{"plumber.R": PLUMBER, "renv.lock": "{}"}, {"app.R": "shinyApp(ui, server)\n"}])
def test_r_services_listen_on_the_port_they_are_given(files):
    program, option, text = value(files, "start")
    assert (program, option) == ("Rscript", "-e")
    assert "Sys.getenv('PORT')" in text


@pytest.mark.parametrize(
    ("files", "port"),
    [
        ({**RAILS, "config/puma.rb": 'port ENV.fetch("PORT") { 3000 }\n'}, 3000),
        ({**RAILS, "config/puma.rb": 'port ENV.fetch("PORT", 3001)\n'}, 3001),
        ({"Gemfile": 'gem "sinatra"\n', "app.rb": "require 'sinatra'\nset :port, 4568\n"}, 4568),
        (RAILS, None),
        ({"Api.csproj": WEB.format(""), "Program.cs": 'app.Run("http://0.0.0.0:5005");\n'}, 5005),
        ({"Api.csproj": WEB.format(""), "appsettings.json": '{"Kestrel": {"Endpoints": {"Http": {"Url": '
          '"http://*:5006"}}}}\n'}, 5006),
        ({"Api.csproj": WEB.format(""), "Properties/launchSettings.json":
          '"applicationUrl": "https://localhost:7001;http://localhost:5007",\n'}, 5007),
        ({"plumber.R": PLUMBER + "pr_run(port = 8787)\n", "renv.lock": "{}"}, 8787),
        ({"Project.toml": JULIA, "server.jl": 'HTTP.serve(router, "0.0.0.0", 8082)\n'}, 8082),
        ({"mix.exs": MIX, "config/runtime.exs": 'port = System.get_env("PORT") || "4001"\n'}, 4001),
        ({"mix.exs": MIX, "config/dev.exs": "http: [ip: {127, 0, 0, 1}, port: 4002]\n"}, 4002),
        ({"composer.json": composer(), "server.php": '$s = new SocketServer("0.0.0.0:9501");\n'}, 9501),
    ],
)  # fmt: skip
def test_code_and_settings_name_the_port(files, port):
    assert value(files, "port") == port


@pytest.mark.parametrize(
    ("files", "path"),
    [
        ({"composer.json": composer(require={"laravel/framework": "^11"}), "artisan": "",
          "bootstrap/app.php": "health: '/up',\n", "public/index.php": ""}, "/up"),
        ({**RAILS, "config/routes.rb": 'get "up" => "rails/health#show"\n'}, "/up"),
        ({"Api.csproj": WEB.format(""), "Program.cs": 'app.MapHealthChecks("/healthz");\n'}, "/healthz"),
        ({"mix.exs": MIX, "lib/n_web/endpoint.ex": 'socket "/live", Phoenix.LiveView.Socket\n'}, None),
    ],
)  # fmt: skip
def test_frameworks_name_their_health_path(files, path):
    assert value(files, "health_path") == path


@pytest.mark.parametrize(
    ("files", "need"),
    [
        ({"A.csproj": WEB.format('<ItemGroup><PackageReference Include="ManagedCuda"/></ItemGroup>')}, GpuNeed.NEEDED),
        ({"A.csproj": WEB.format('<ItemGroup><PackageReference Include="ILGPU"/></ItemGroup>')}, GpuNeed.OPTIONAL),
        ({"DESCRIPTION": "Package: a\nImports:\n    torch,\n    utils\n", "R/a.R": ""}, GpuNeed.OPTIONAL),
        ({"DESCRIPTION": "Package: a\nImports:\n    gpuR\n", "R/a.R": ""}, GpuNeed.NEEDED),
        ({"mix.exs": MIX + "  {:exla, \">= 0.0.0\"}\n"}, GpuNeed.OPTIONAL),
    ],
)  # fmt: skip
def test_packages_say_whether_a_gpu_is_of_use(files, need):
    assert value(files, "gpu") is need


@pytest.mark.parametrize(
    ("files", "kind"),
    [
        ({"composer.json": composer(type="library"), "src/A.php": ""}, Kind.LIBRARY),
        ({"n.gemspec": "", "lib/n.rb": ""}, Kind.LIBRARY),
        ({"n.gemspec": "", "lib/n.rb": "", "exe/n": ""}, Kind.CLI),
        (RAILS, Kind.SERVICE),
        ({"A.csproj": WEB.format(""), "Program.cs": ""}, Kind.SERVICE),
        ({"DESCRIPTION": "Package: a\n", "R/a.R": ""}, Kind.LIBRARY),
        ({"Project.toml": JULIA + '[extras]\n', "src/Notes.jl": ""}, Kind.LIBRARY),
        ({"Project.toml": JULIA.replace("HTTP", "MPI"), "src/Notes.jl": ""}, Kind.HPC),
        ({"mix.exs": MIX, "lib/n.ex": ""}, Kind.LIBRARY),
        ({"mix.exs": MIX + "  escript: [main_module: N]\n", "lib/n.ex": ""}, Kind.CLI),
    ],
)  # fmt: skip
def test_what_sort_of_work_it_is(files, kind):
    assert value(files, "kind") is kind


def test_php_extensions_are_packages_of_the_system():
    files = {"composer.json": composer(require={"ext-gd": "*", "ext-mbstring": "*"}), "index.php": ""}
    assert value(files, "system_packages") == ("php-gd", "php-mbstring")


@pytest.mark.parametrize(
    "files",
    [
        {"composer.json": "[" * 20_000, "index.php": ""},
        {"composer.json": "\0\xff", "index.php": ""},
        {"composer.json": '{"require": [1, 2]}', "index.php": ""},
        {"A.csproj": '<!DOCTYPE a [<!ENTITY x "y">]><Project>&x;</Project>'},
        {"Project.toml": "a." * 40_000 + "b = 1\n", "server.jl": ""},
        {"Project.toml": "x = " + "[" * 5_000 + "]" * 5_000 + "\n", "server.jl": ""},
        {"Cargo.toml": "[" + "a." * 3_000 + "b]\n", "src/main.rs": "fn main() {}\n"},
        {"mix.exs": "{:" * 60_000},
        {"Gemfile": "gem '" * 50_000},
        {"DESCRIPTION": "Package: a\nDepends: " + "R (" * 50_000},
        {"renv.lock": '{"R": {' * 30_000, "app.R": "x"},
    ],
)
def test_hostile_project_files_decide_nothing(files):
    found = analyze(DictView(files))
    assert found.gpu.value is GpuNeed.NO
    assert found.port is None


@pytest.mark.parametrize(
    ("package", "field", "found"),
    [
        ({"scripts": {"start": "next start"}}, "port", 3000),
        ({"scripts": {"start": "next start -p 3100"}}, "port", 3100),
        ({"scripts": {"start": "PORT=3200 node server.js"}}, "port", 3200),
        ({"scripts": {"dev": "next dev"}}, "port", None),
        ({"scripts": {"start:prod": "nest start"}}, "start", ("npm", "run", "start:prod")),
        ({"scripts": {"serve": "vite preview"}}, "start", ("npm", "run", "serve")),
        ({"scripts": {"start": "node a.js", "serve": "x"}}, "start", ("node", "a.js")),
        ({"scripts": {"start": "node a.js"}, "dependencies": {"fastify": "4"}}, "kind", Kind.SERVICE),
        ({"bin": {"notes": "cli.js"}}, "kind", Kind.CLI),
        ({"main": "a.js", "types": "a.d.ts"}, "kind", Kind.LIBRARY),
        ({"dependencies": {"@tensorflow/tfjs-node-gpu": "4"}}, "gpu", GpuNeed.NEEDED),
        ({"dependencies": {"@tensorflow/tfjs-node": "4"}}, "gpu", GpuNeed.NO),
        ({"volta": {"node": "20.11.1"}}, "runtime_version", "20.11.1"),
    ],
)
def test_a_node_package_says_what_it_is(package, field, found):
    assert value({"package.json": json.dumps(package, indent=1), "a.js": "x\n"}, field) == found


@pytest.mark.parametrize(
    ("dockerfile", "ecosystem", "version"),
    [
        ("FROM golang:1.22-alpine AS build\nFROM scratch\nCMD [\"/a\"]\n", Ecosystem.GO, "1.22"),
        ("FROM mcr.example/dotnet/sdk:8.0 AS b\nFROM mcr.example/dotnet/aspnet:8.0\n", Ecosystem.DOTNET, "8.0"),
        ("FROM eclipse-temurin:21-jre\nCMD [\"java\", \"-jar\", \"a.jar\"]\n", Ecosystem.JAVA, "21"),
        ("FROM rocker/r-ver:4.3.1\n", Ecosystem.R, "4.3.1"),
        ("FROM debian:12\n", Ecosystem.DOCKERFILE, None),
    ],
)  # fmt: skip
def test_an_image_of_a_language_says_which_one_and_its_version(dockerfile, ecosystem, version):
    found = analyze(DictView({"Dockerfile": dockerfile}))
    assert found.ecosystem.value is ecosystem
    assert (found.runtime_version.value if found.runtime_version else None) == version
    assert found.dockerfile.value == "Dockerfile"


def test_a_manifest_says_all_that_a_machine_must_have():
    found = analyze(DictView({"homeport.yaml": "runtime: go1.22\ngpu: needed\ngpus: 2\nvram: 24GB\ncuda: 12.10\n"
                              "cpus: 4\ndisk: 50GB\nkind: training\npackages: [ffmpeg, git]\nshm: 8Gi\n"}))  # fmt: skip
    assert (found.ecosystem.value, found.runtime_version.value) == (Ecosystem.GO, "1.22")
    assert (found.gpu_count.value, found.cuda.value, found.kind.value) == (2, "12.10", Kind.TRAINING)
    assert found.system_packages.value == ("ffmpeg", "git")
    assert found.shared_memory_bytes.value == 8 << 30
    assert not found.warnings
