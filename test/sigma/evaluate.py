"""Says which Sigma rules match which records, by pySigma's SQLite backend.

stdin:  {"records": [record, ...], "sets": {name: {file: text of a rule}}}
stdout: {name: [[file, ...] for each record]}
"""

import json
import sqlite3
import sys

from sigma.backends.sqlite import sqliteBackend
from sigma.collection import SigmaCollection
from sigma.rule import SigmaDetection


def fields(detection):
    """The fields that a detection asks about."""
    for item in detection.detection_items:
        if isinstance(item, SigmaDetection):
            yield from fields(item)
        elif item.field is not None:
            yield item.field


def value(record, field):
    """A field of a record, a.b for one within another. An object is no value."""
    for part in field.split("."):
        record = record.get(part) if isinstance(record, dict) else None
    return None if isinstance(record, (dict, list)) else record


def table(records, columns):
    db = sqlite3.connect(":memory:")
    names = ", ".join(f'"{c}"' for c in columns)
    db.execute(f"CREATE TABLE logs (n INTEGER PRIMARY KEY, {names})")
    rows = ([n, *(value(r, c) for c in columns)] for n, r in enumerate(records))
    db.executemany(f"INSERT INTO logs VALUES (?{', ?' * len(columns)})", rows)
    return db


def main():
    asked = json.load(sys.stdin)
    rules = {
        name: {file: SigmaCollection.from_yaml(text) for file, text in files.items()}
        for name, files in asked["sets"].items()
    }
    columns = sorted({
        field
        for files in rules.values() for collection in files.values() for rule in collection
        for detection in rule.detection.detections.values() for field in fields(detection)
    })
    db, backend, out = table(asked["records"], columns), sqliteBackend(), {}
    for name, files in rules.items():
        out[name] = [[] for _ in asked["records"]]
        for file, collection in files.items():
            for query in backend.convert(collection):
                for row in db.execute(query):
                    out[name][row[0]].append(file)
    json.dump(out, sys.stdout)


main()
