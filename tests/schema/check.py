"""Holds the JSON Schema of settings files against a validator that knows nothing of the program.

    python3 tests/schema/check.py target/debug/vae

It needs Python 3.11 and the package jsonschema (4.25 was used). Presets, the settings of every variant's
example, those of the runs in tests/fixtures and the lines of accepted.txt are to be valid; what breaks them in
one place each, and the lines of refused.txt, are not. The program's own tests read the same two files.
"""

import json
import pathlib
import shlex
import subprocess
import sys
import tomllib

from jsonschema import Draft202012Validator

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parent.parent

# Each with one thing wrong somewhere.
BREAKS = [
    ("", "no_such_key", 1),
    ("", "seed", "x"),
    ("", "threads", 2000),
    ("", "backend", "gpu"),
    ("", "preset", "basics"),
    ("variant", "name", "nvae"),
    ("variant", "no_such_option", 1),
    ("model", "latent", 0),
    ("model", "hidden", [0]),
    ("train", "lr", -1),
    ("train", "lr", {"kind": "linear", "to": "x"}),
    ("data", "validation", 1),
]


def main():
    vae = str(pathlib.Path(sys.argv[1]).resolve())

    def output(*arguments):
        return subprocess.run([vae, *arguments], capture_output=True, check=True, text=True).stdout

    schema = json.loads(output("config", "--schema"))
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)

    files = sorted((ROOT / "vae-cli/src/presets").glob("*.toml"))
    files += sorted((ROOT / "tests/fixtures").rglob("config.toml"))
    good = {str(path): path.read_text() for path in files}
    for variant in json.loads(output("variants", "--format", "json")):
        arguments = shlex.split(variant["example"])
        good["vae config " + variant["example"]] = output("config", *arguments)
    assert len(good) >= 25, sorted(good)

    wrong = []
    refused = 0
    for name, text in good.items():
        settings = tomllib.loads(text)
        wrong += [f"{name}: {error.message}" for error in validator.iter_errors(settings)]
        for section, key, value in BREAKS:
            broken = json.loads(json.dumps(settings))
            table = broken.setdefault(section, {}) if section else broken
            table[key] = value
            refused += 1
            if validator.is_valid(broken):
                wrong.append(f"{name} is valid with {section}.{key} = {value}")
    accepted = (HERE / "accepted.txt").read_text().splitlines()
    wrong += [f"refused: {text}" for text in accepted if not validator.is_valid(tomllib.loads(text))]
    lines = (HERE / "refused.txt").read_text().splitlines()
    wrong += [f"valid: {text}" for text in lines if validator.is_valid(tomllib.loads(text))]
    if wrong:
        sys.exit("\n".join(wrong))
    print(f"{len(good) + len(accepted)} valid, {refused + len(lines)} refused")


main()
