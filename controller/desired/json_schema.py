"""The JSON Schema of one manifest, for editors and other tools. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from controller.desired.schema import MANIFEST_KINDS

Json = dict[str, Any]


_PLAIN_TYPES: Mapping[str, Json] = {"any": {}, "bool": {"type": "boolean"}}


def json_schema() -> Json:
    """Mappings with fixed keys are definitions of their own."""
    definitions: dict[str, Json] = {}
    documents = {kind: _json_schema_of(shape, definitions) for kind, shape in MANIFEST_KINDS.items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "merchantctl manifest",
        "$defs": dict(sorted(definitions.items())),
        "discriminator": {
            "mapping": {kind: reference["$ref"] for kind, reference in documents.items()},
            "propertyName": "kind",
        },
        "oneOf": list(documents.values()),
    }


def _json_schema_of(shape: Mapping[str, Any], definitions: dict[str, Json]) -> Json:
    match shape["type"]:
        case "function-after" | "function-before":
            more: Json = shape.get("metadata", {}).get("json", {})
            return _json_schema_of(shape["schema"], definitions) | more
        case "nullable":
            return {"anyOf": [_json_schema_of(shape["schema"], definitions), {"type": "null"}]}
        case "any" | "bool" as plain:
            return dict(_PLAIN_TYPES[plain])
        case "int":
            return {"maximum": shape["le"], "minimum": shape["ge"], "type": "integer"}
        case "str":
            limits = {"max_length": "maxLength", "min_length": "minLength", "pattern": "pattern"}
            return {json: shape[limit] for limit, json in limits.items() if limit in shape} | {"type": "string"}
        case "literal":
            words = shape["expected"]
            return ({"enum": words} if len(words) > 1 else {"const": words[0]}) | {"type": "string"}
        case "list":
            return {"items": _json_schema_of(shape["items_schema"], definitions), "type": "array"}
        case "dict":
            pattern = _json_schema_of(shape["keys_schema"], definitions).get("pattern")
            values = _json_schema_of(shape["values_schema"], definitions)
            free = {"patternProperties": {pattern: values}} if pattern else {"additionalProperties": values}
            return free | {"type": "object"}
        case "typed-dict":
            return {"$ref": f"#/$defs/{_define(shape, definitions)}"}
    raise TypeError(f"no JSON Schema is known for {shape['type']}")


def _define(shape: Mapping[str, Any], definitions: dict[str, Json]) -> str:
    """The name under which a mapping with fixed keys is defined."""
    name: str = shape["cls_name"]
    if name not in definitions:
        properties = {
            key: _json_schema_of(field["schema"], definitions) | _description_entry(field)
            for key, field in shape["fields"].items()
        }
        required = [key for key, field in shape["fields"].items() if field["required"]]
        definitions[name] = {"additionalProperties": False, "properties": properties, "type": "object"} | (
            {"required": required} if required else {}
        )
    return name


def _description_entry(field: Mapping[str, Any]) -> Json:
    description = field["metadata"]["description"]
    return {"description": description} if description else {}
