"""The specification's own OpenAPI schemas, as judges of answers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urldefrag, urljoin

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import best_match
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

_EXAMPLED = re.compile(
    r"\$.subsonic-response.(albumList.album|starred.album|searchResult2.album|directory.child)"
    r"\[\d+\].(name|songCount)"
)
"""Fields that the specification has in its examples of albums as folders, and in no schema."""


class Specification:
    """The schemas of all calls, read from the folder that the specification publishes."""

    def __init__(self, folder: Path) -> None:
        self._documents = {
            f"https://opensubsonic.test/{path.relative_to(folder).as_posix()}": json.loads(
                path.read_text()
            )
            for path in sorted(folder.rglob("*.json"))
        }
        resources = [
            (uri, Resource(contents=document, specification=DRAFT202012))
            for uri, document in self._documents.items()
        ]
        self._registry = Registry().with_resources(resources)
        self.calls = {
            path.removeprefix("/rest/"): urljoin("https://opensubsonic.test/", told["$ref"])
            for path, told in self._document("openapi.json")["paths"].items()
        }

    def _document(self, name: str) -> Any:
        return self._documents[f"https://opensubsonic.test/{name}"]

    def parameters(self, call: str) -> list[dict[str, Any]]:
        """The parameters of a call."""
        operations = self._documents[self.calls[call]]
        operation = operations.get("get") or operations["post"]
        return list(operation.get("parameters", []))

    def is_binary(self, call: str) -> bool:
        """Whether a call answers with bytes when it works."""
        return self._schema(call) is None

    def _schema(self, call: str) -> tuple[str, Any] | None:
        """The schema of a call's JSON answer, and the document that it stands in."""
        uri = self.calls[call]
        operations = self._documents[uri]
        operation = operations.get("get") or operations["post"]
        response = operation["responses"]["200"]
        if "$ref" in response:
            uri = urljoin(uri, response["$ref"])
            response = self._documents[uri]
        content = response["content"].get("application/json")
        return None if content is None else (uri, content["schema"])

    def check(self, call: str, answer: Any) -> None:
        """Raise AssertionError unless an answer is what the specification says, with nothing in it
        that the specification does not know."""
        found = self._schema(call)
        assert found is not None, f"{call} answers with bytes"
        uri, schema = found
        schema = _absolute(schema, uri)
        validator = Draft202012Validator(
            schema, registry=self._registry, format_checker=FormatChecker()
        )
        worst = best_match(validator.iter_errors(answer))
        assert worst is None, (call, worst.json_path, worst.message[:500])
        if call == "getTranscodeDecision":  # its schema leaves the envelope out
            answer = {"transcodeDecision": answer["subsonic-response"]["transcodeDecision"]}
        unknown = [
            where
            for where in self._unknown(answer, [(uri, schema)], "$")
            if not _EXAMPLED.fullmatch(where)
        ]
        assert not unknown, (call, unknown)

    def _unknown(self, value: Any, schemas: list[tuple[str, Any]], where: str) -> Iterator[str]:
        """Fields of a value that none of its schemas names, in it and below."""
        flat = [one for uri, schema in schemas for one in self._flat(uri, schema)]
        if isinstance(value, dict):
            named = [(uri, schema["properties"]) for uri, schema in flat if "properties" in schema]
            for key, below in value.items():
                inside = [(uri, properties[key]) for uri, properties in named if key in properties]
                if named and not inside:
                    yield f"{where}.{key}"
                yield from self._unknown(below, inside, f"{where}.{key}")
        elif isinstance(value, list):
            items = [(uri, schema["items"]) for uri, schema in flat if "items" in schema]
            for place, below in enumerate(value):
                yield from self._unknown(below, items, f"{where}[{place}]")

    def _flat(self, uri: str, schema: Any) -> Iterator[tuple[str, Any]]:
        """A schema and those that it refers to, each with the document that it stands in."""
        if "$ref" in schema:
            target, _ = urldefrag(urljoin(uri, schema["$ref"]))
            yield from self._flat(target, self._documents[target])
            return
        for part in (*schema.get("allOf", ()), *schema.get("oneOf", ())):
            yield from self._flat(uri, part)
        yield uri, schema


def _absolute(schema: Any, uri: str) -> Any:
    """A schema whose own references name documents in full."""
    if isinstance(schema, dict):
        return {
            key: urljoin(uri, value) if key == "$ref" else _absolute(value, uri)
            for key, value in schema.items()
        }
    return [_absolute(one, uri) for one in schema] if isinstance(schema, list) else schema
