"""
The programs, built with what the package registries have.

The original is a module of Go. Where the proxy of Go's modules does not give it, a checkout has to
be named; what it builds with, modules of Go and packages of Maven Central, comes from the registries
in any case. Its sources are only read: each build writes into a folder of its own.
"""

import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.elasticsearch_node import call
from tools.tasques_server import TasquesServer

_HERE = Path(__file__).parent
_GENERATOR = "7.14.0"
_ONLY_CODE = (
    "apis,models,supportingFiles,apiTests=false,modelTests=false,apiDocs=false,modelDocs=false"
)
_EXAMPLE = Path("example/ciphers")

#: The original's last commit.
_MODULE = "github.com/lloydmeta/tasques@v0.0.0-20201014023854-83a686feb4f3"

_HOW_TO_GET_IT = (
    "To build the original's own programs from a checkout: git clone"
    " https://github.com/lloydmeta/tasques, and name the folder with --source."
)


class CannotBuild(Exception):
    """A program cannot be built here; the message says what is missing, or what a builder said."""


@dataclass(frozen=True, kw_only=True)
class GoPrograms:
    """The example's server, which takes messages and creates tasks, and its worker."""

    server: Path
    worker: Path


@dataclass(frozen=True, kw_only=True)
class JavaProgram:
    """What ``java`` is told: where classes are, and which one to start."""

    class_path: str
    main: str

    def command(self, *options: str) -> list[str]:
        """Without the program's own arguments; small and quick to start, as there are several."""
        small = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx128m")
        return ["java", *small, *options, "-cp", self.class_path, self.main]


def original(folder: Path) -> Path:
    """
    The original's sources, as the proxy of Go's modules gives them.

    Go keeps them where nothing writes to them, and has compared them with the public checksums.

    Raises:
        CannotBuild: If it does not give them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        answer = _run(["go", "mod", "download", "-json", _MODULE], cwd=folder)
    except CannotBuild as error:
        raise CannotBuild(f"{error}\n{_HOW_TO_GET_IT}") from error
    return Path(json.loads(answer)["Dir"])


def revision(source: Path) -> str:
    """
    What was checked out.

    Raises:
        CannotBuild: If it is no checkout of the original, or was changed.
    """
    if not (source / _EXAMPLE / "worker-go").is_dir():
        raise CannotBuild(f"{source} is no checkout of lloydmeta/tasques.\n{_HOW_TO_GET_IT}")
    changed = _run(["git", "-C", source, "status", "--porcelain"])
    if changed:
        raise CannotBuild(f"{source} is not as it was checked out:\n{changed}")
    return _run(["git", "-C", source, "rev-parse", "--short", "HEAD"])


def build_go(source: Path, folder: Path) -> GoPrograms:
    """Build the example's programs in Go."""
    folder.mkdir(parents=True, exist_ok=True)
    # Go of today writes more into these than Go of then; so it gets copies.
    for name in ("go.mod", "go.sum"):
        shutil.copy(source / name, folder / name)
    programs = GoPrograms(server=folder / "server", worker=folder / "worker")
    for program, package in ((programs.server, "server"), (programs.worker, "worker-go")):
        command: list[str | Path] = ["go", "build", "-mod=mod", f"-modfile={folder / 'go.mod'}"]
        _run([*command, "-o", program, f"./{_EXAMPLE / package}"], cwd=source)
    return programs


def build_example_in_java(source: Path, folder: Path) -> JavaProgram:
    """Build the example's worker in Java."""
    worker = (source / _EXAMPLE / "worker-java").resolve()
    pom = _HERE / "example" / "pom.xml"
    _maven("--file", pom, f"-Doutput={folder}", f"-Dworker={worker}", "package")
    return JavaProgram(
        class_path=f"{folder}/example.jar:{folder}/lib/*", main="tasques.CipherWorker"
    )


def served_descriptions(folder: Path) -> Mapping[str, Path]:
    """The API's descriptions as a server gives them, by the name of the notation."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {}
    with TasquesServer({"backend": "memory:"}) as server:
        for name, path in (("swagger", "/swagger/doc.json"), ("openapi", "/openapi.json")):
            files[name] = folder / f"{name}.json"
            files[name].write_text(json.dumps(call(server.url, "GET", path)[1]))
    return files


def build_driver_in_java(description: Path, folder: Path) -> JavaProgram:
    """Generate a client from an OpenAPI document, and build the driver on it."""
    shutil.copytree(_HERE / "java", folder, dirs_exist_ok=True)
    _generate("java", description, folder / "generated", "--library", "native")
    _maven("--file", folder / "pom.xml", "package")
    return JavaProgram(
        class_path=f"{folder}/target/driver.jar:{folder}/target/lib/*", main="Driver"
    )


def build_driver_in_rust(description: Path, folder: Path) -> Path:
    """Generate a client from a Swagger document, and build the driver on it."""
    shutil.copytree(_HERE / "rust", folder, dirs_exist_ok=True)
    names = json.loads(description.read_text())["definitions"]
    _generate(
        *("rust", description, folder / "generated"),
        "--additional-properties=supportAsync=false,packageName=tasques_client",
        # "task.Task" would become TaskPeriodTask.
        "--model-name-mappings=" + ",".join(f"{name}={type_name(name)}" for name in names),
    )
    _run(["cargo", "build", "--quiet", "--release"], cwd=folder)
    return folder / "target" / "release" / "driver"


def type_name(definition: str) -> str:
    """The name of a generated type, as in the original's clients: ``task.NewTask`` is TaskNewTask."""
    return "".join(part[:1].upper() + part[1:] for part in definition.split("."))


def _generate(language: str, description: Path, folder: Path, *options: str) -> None:
    # What an earlier description had and this one has not must not stay.
    shutil.rmtree(folder, ignore_errors=True)
    command: list[str | Path] = ["java", "-jar", _generator(description.parent), "generate"]
    command += ["-i", description, "-g", language, "-o", folder]
    _run([*command, f"--global-property={_ONLY_CODE}", *options])


def _generator(folder: Path) -> Path:
    """The generator's program, fetched through Maven into a folder."""
    jar = folder / f"openapi-generator-cli-{_GENERATOR}.jar"
    if not jar.is_file():
        artifact = f"org.openapitools:openapi-generator-cli:{_GENERATOR}"
        _maven("dependency:copy", f"-Dartifact={artifact}", f"-DoutputDirectory={folder}")
    return jar


_MAVEN = ("mvn", "--quiet", "--batch-mode", "-Dstyle.color=never")


def _maven(*arguments: str | Path) -> None:
    _run([*_MAVEN, *arguments])


def _run(command: Sequence[str | Path], cwd: Path | None = None) -> str:
    """Run a builder; what it says on its standard output."""
    name = command[0]
    if shutil.which(name) is None:
        raise CannotBuild(f"{name} is missing.")
    done = subprocess.run(
        ["nice", *command],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        lines = "\n".join((done.stdout + done.stderr).splitlines()[-30:])
        raise CannotBuild(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{lines}")
    return done.stdout.strip()
