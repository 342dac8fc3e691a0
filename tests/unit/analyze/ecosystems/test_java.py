# SPDX-License-Identifier: Apache-2.0
"""Maven and Gradle: source level, what starts it, what it listens on and answers health checks at."""

from __future__ import annotations

import pytest

from homeport.analyze import analyze
from homeport.model.requirements import Ecosystem, GpuNeed, Kind
from homeport.testing.fetchers import DictView

APP = {"src/main/java/org/acme/samples/App.java": "class App { public static void main(String[] a) {} }\n"}


def pom(*dependencies: str, plugin: str = "", properties: str = "", extra: str = "") -> str:
    depends = "".join(f"<dependency><artifactId>{one}</artifactId></dependency>\n" for one in dependencies)
    plugins = f"<build><plugins><plugin><artifactId>{plugin}</artifactId></plugin></plugins></build>" if plugin else ""
    return (
        f'<?xml version="1.0"?>\n<project xmlns="http://maven.apache.org/POM/4.0.0">\n<properties>{properties}'
        f"</properties>\n{extra}\n<dependencies>\n{depends}</dependencies>\n{plugins}\n</project>\n"
    )


def of(files: dict[str, str]):
    return analyze(DictView({**APP, **files}))


def value(files: dict[str, str], field: str) -> object:
    found = getattr(of(files), field)
    return found.value if found is not None else None


@pytest.mark.parametrize(
    ("files", "start"),
    [
        ({"pom.xml": pom(plugin="spring-boot-maven-plugin")}, ("mvn", "spring-boot:run")),
        ({"pom.xml": pom(plugin="spring-boot-maven-plugin"), "mvnw": ""}, ("./mvnw", "spring-boot:run")),
        ({"pom.xml": pom(plugin="quarkus-maven-plugin")}, ("mvn", "quarkus:run")),
        ({"pom.xml": pom(plugin="exec-maven-plugin")}, None),
        ({"pom.xml": pom(extra="<packaging>pom</packaging>"), "web/pom.xml": pom(plugin="spring-boot-maven-plugin")},
         ("mvn", "-pl", "web", "spring-boot:run")),
        ({"pom.xml": pom()}, None),
        ({"build.gradle": "plugins {\n  id 'org.springframework.boot' version '3.2.0'\n}\n", "gradlew": ""},
         ("./gradlew", "bootRun")),
        ({"build.gradle.kts": "plugins {\n    application\n}\n"}, ("gradle", "run")),
        ({"settings.gradle": "include 'app'\n", "app/build.gradle": "plugins {\n  id 'application'\n}\n"},
         ("gradle", ":app:run")),
        ({"build.gradle": "plugins {\n  id 'org.springframework.boot' version '3.2.0' apply false\n}\n"}, None),
        ({"build.gradle": "// id 'application'\n"}, None),
    ],
)  # fmt: skip
def test_a_plugin_that_runs_the_program_is_how_it_starts(files, start):
    assert value(files, "start") == start


@pytest.mark.parametrize(
    ("files", "version"),
    [
        ({"pom.xml": pom(properties="<java.version>17</java.version>")}, "17"),
        ({"pom.xml": pom(properties="<maven.compiler.release>21</maven.compiler.release>")}, "21"),
        ({"pom.xml": pom(properties="<maven.compiler.source>1.8</maven.compiler.source>")}, "8"),
        ({"build.gradle": "sourceCompatibility = '11'\n"}, "11"),
        ({"build.gradle": "java { toolchain { languageVersion = JavaLanguageVersion.of(21) } }\n"}, "21"),
        ({"build.gradle.kts": "kotlin { jvmToolchain(17) }\n"}, "17"),
        ({"build.gradle": "sourceCompatibility = JavaVersion.VERSION_1_8\n"}, "8"),
    ],
)
def test_the_source_level_is_the_version(files, version):
    assert value(files, "runtime_version") == version
    assert of(files).ecosystem.value is Ecosystem.JAVA


SETTINGS = "src/main/resources/application"
WEB = pom("spring-boot-starter-web", plugin="spring-boot-maven-plugin")


@pytest.mark.parametrize(
    ("files", "port"),
    [
        ({"pom.xml": WEB}, 8080),
        ({"pom.xml": WEB, f"{SETTINGS}.properties": "server.port=8181\n"}, 8181),
        ({"pom.xml": WEB, f"{SETTINGS}.properties": "server.port=${PORT:8282}\n"}, 8282),
        ({"pom.xml": WEB, f"{SETTINGS}.yml": "server:\n  port: 8383\nspring:\n  port: 1\n"}, 8383),
        ({"pom.xml": WEB, f"{SETTINGS}.yml": "# server:\n#   port: 1\n---\nserver:\n  port: 2\n"}, 8080),
        ({"pom.xml": pom(plugin="spring-boot-maven-plugin")}, None),
        ({"pom.xml": pom("quarkus-rest"), f"{SETTINGS}.properties": "quarkus.http.port=8484\n"}, 8484),
        ({"pom.xml": pom(), "src/main/java/App.java": "var s = new ServerSocket(9595);\n"}, 9595),
        ({"build.gradle": "dependencies {\n implementation 'org.springframework.boot:spring-boot-starter-web'\n"},
         8080),
    ],
)  # fmt: skip
def test_settings_name_the_port_and_a_starter_brings_one(files, port):
    assert value(files, "port") == port


@pytest.mark.parametrize(
    ("dependencies", "settings", "path"),
    [
        (("spring-boot-starter-web", "spring-boot-starter-actuator"), "", "/actuator/health"),
        (("spring-boot-starter-web",), "", None),
        (("spring-boot-starter-actuator",), "management.endpoints.web.base-path=/manage\n", "/manage/health"),
        (("spring-boot-starter-actuator",), "server.servlet.context-path=/shop\n", "/shop/actuator/health"),
        (("spring-boot-starter-actuator",), "management.server.port=9\n", None),
        (("quarkus-smallrye-health",), "", "/q/health"),
    ],
)
def test_a_library_for_health_says_the_path(dependencies, settings, path):
    files = {"pom.xml": pom(*dependencies), f"{SETTINGS}.properties": settings}
    assert value(files, "health_path") == path


@pytest.mark.parametrize(
    ("dependency", "need"),
    [("jcuda", GpuNeed.NEEDED), ("nd4j-cuda-11.6-platform", GpuNeed.NEEDED), ("aparapi", GpuNeed.OPTIONAL),
     ("jackson-core", GpuNeed.NO)],
)  # fmt: skip
def test_libraries_say_whether_a_gpu_is_needed(dependency, need):
    assert value({"pom.xml": pom(dependency)}, "gpu") is need


@pytest.mark.parametrize(
    ("files", "kind"),
    [
        ({"pom.xml": WEB}, Kind.SERVICE),
        ({"pom.xml": pom("jackson-core")}, Kind.LIBRARY),
        ({"build.gradle": "plugins {\n id 'application'\n}\ndependencies {\n implementation 'org.acme:picocli:4'\n"},
         Kind.CLI),
    ],
)  # fmt: skip
def test_what_sort_of_work_a_java_project_is(files, kind):
    assert value(files, "kind") is kind


@pytest.mark.parametrize(
    "text",
    [
        '<!DOCTYPE project [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><project>&b;</project>',
        '<!DOCTYPE p SYSTEM "file:///etc/passwd"><project/>',
        "<a>" * 5_000,
        "<project>" + "<a/>" * 60_000 + "</project>",
        "<project><unclosed></project>",
        "\0\1\2 not xml",
        '<?xml version="1.0" encoding="nonsense-9"?><project/>',
        "<p " + " ".join(f'a{n}="x"' for n in range(20_000)) + "/>",
    ],
)
def test_a_hostile_pom_is_a_warning_and_no_more(text):
    found = of({"pom.xml": text})
    assert found.ecosystem.value is Ecosystem.JAVA
    assert found.start is None
    assert any("pom.xml" in one for one in found.warnings) or text.startswith("<p ")


def test_a_module_whose_name_is_an_option_is_not_put_on_a_command_line():
    files = {"pom.xml": pom(extra="<packaging>pom</packaging>"), "-Dx/pom.xml": pom(plugin="spring-boot-maven-plugin")}
    assert value(files, "start") is None
