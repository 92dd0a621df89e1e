"""The counts: a table for people, a document for programs."""

import json

from .cloud import OUT


class Report:
    """Lines of name and value, in the order in which they came."""

    def __init__(self):
        self.lines, self.explained = {}, []

    def count(self, name, value):
        self.lines[name] = value

    def explain(self, operation, where, why):
        self.explained.append({"operation": operation, "where": where, "why": why})

    def write(self):
        OUT.mkdir(parents=True, exist_ok=True)
        document = {"counts": self.lines, "explained": self.explained}
        (OUT / "report.json").write_text(json.dumps(document, indent=1) + "\n")
        return self.table()

    def table(self):
        lines = self.lines | {"differences explained": len(self.explained)}
        width = max(map(len, lines))
        return "\n".join(f"{name:<{width}}  {value:>7,}" for name, value in lines.items())
