"""The schema and the reference: complete, and the one in docs is today's."""

from pathlib import Path

from pydantic import BaseModel

from nightshift.daemon.config import Config, shape
from nightshift.daemon.config.reference import docs, json_schema, markdown

DOCS = Path(__file__).parents[3] / "docs" / "configuration.md"


def every_model(model: type[BaseModel]):
    yield model
    for field in model.model_fields.values():
        for option in shape.options(field.annotation):
            inner = (option, *shape.below((option,), 0)) if not shape.is_model(option) else (option,)
            for one in inner:
                if shape.is_model(one):
                    yield from every_model(one)


def test_every_key_has_a_meaning():
    missing = [
        f"{model.__module__}.{name}"
        for model in every_model(Config)
        for name, field in model.model_fields.items()
        if not field.description and not docs(model).get(name)
        and not any(map(shape.is_model, shape.options(field.annotation)))
    ]  # fmt: skip
    assert missing == []


def test_the_schema_describes_plugins_keys_and_never_asks_for_a_secret_in_clear():
    schema = json_schema()
    assert schema["additionalProperties"] is False
    texts = str(schema)
    assert "Address of the engine" in texts
    assert "'format': 'password'" not in texts
    assert "^(env|file):.+" in texts


def test_the_reference_in_docs_is_todays():
    assert DOCS.read_text(encoding="utf-8") == markdown(), "write it anew: nightshift schema --markdown"
