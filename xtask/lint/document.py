"""Judges an OpenAPI document (first argument) of a server (second argument, its base address): valid by the specification, and
what each described GET answers valid by its own schema, with no member that the schema does not name. Prints a line for each fault."""

import json
import sys
import urllib.error
import urllib.request

from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

ROOT = "urn:document"


def resolve(document, node):
    while "$ref" in node:
        target = document
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part.replace("~1", "/").replace("~0", "~")]
        node = target
    return node


def fetch(url):
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return answer.status, answer.headers.get_content_type(), answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers.get_content_type(), error.read()


def query(document, operation):
    """The needed parameters, each with its first allowed value."""
    pairs = []
    for parameter in operation.get("parameters", []):
        parameter = resolve(document, parameter)
        if parameter.get("required"):
            pairs.append(f"{parameter['name']}={parameter['schema']['enum'][0]}")
    return "?" + "&".join(pairs) if pairs else ""


def faults(document, base):
    for error in OpenAPIV31SpecValidator(document).iter_errors():
        yield f"not OpenAPI 3.1: {'/'.join(map(str, error.absolute_path))}: {error.message}"
    registry = Registry().with_resource(ROOT, DRAFT202012.create_resource(document))
    for path, item in document["paths"].items():
        operation = item.get("get")
        if operation is None:
            continue
        status, media_type, body = fetch(base + path + query(document, operation))
        responses = operation["responses"]
        if str(status) not in responses:
            yield f"GET {path}: answered {status}, which is not described"
            continue
        content = resolve(document, responses[str(status)]).get("content", {})
        if media_type not in content:
            yield f"GET {path}: {status} is {media_type}, described as {', '.join(content)}"
            continue
        schema = content[media_type].get("schema")
        if schema is None or not media_type.endswith("json"):
            continue
        value = json.loads(body)
        pointer = {"$ref": ROOT + schema["$ref"]} if "$ref" in schema else schema
        checker = Draft202012Validator.FORMAT_CHECKER
        for error in Draft202012Validator(pointer, registry=registry, format_checker=checker).iter_errors(value):
            yield f"GET {path}: {status}: {error.json_path}: {error.message}"
        # Problems have members of their own, and what nobody can list is listed by nobody.
        properties = resolve(document, schema).get("properties")
        if media_type == "application/json" and properties:
            for name in value.keys() - properties.keys():
                yield f"GET {path}: {status}: the member `{name}` is not described"


def main():
    with open(sys.argv[1]) as file:
        document = json.load(file)
    for fault in faults(document, sys.argv[2]):
        print(fault)


main()
