"""What REDbot says of routes. Reads a JSON list of {"name", "method", "url"} from standard input and prints a JSON list of
{"route", "status", "note", "level", "subject", "summary"}, what its further requests (validation, ranges, coding) found included."""

import json
import sys
from configparser import ConfigParser

import thor
from httplint.note import levels
from redbot.resource import HttpResource

SHOWN = (levels.WARN, levels.BAD)


def notes_of(found):
    for note in found:
        yield note
        yield from notes_of(note.subnotes)


def check(route, done):
    parser = ConfigParser()
    parser.read_dict({"redbot": {"enable_local_access": "True"}})
    resource = HttpResource(parser["redbot"])
    resource.set_request(route["url"], method=route["method"])

    @thor.events.on(resource)
    def check_done():
        done(route, resource)

    resource.check()


def main():
    routes = json.load(sys.stdin)
    said, waiting = [], list(routes)

    def following():
        if waiting:
            check(waiting.pop(0), done)
        else:
            thor.stop()

    def done(route, resource):
        line = {"route": route["name"], "status": str(resource.response.status_code)}
        if resource.fetch_error:
            said.append({**line, "note": "FETCH_ERROR", "level": "bad", "subject": "", "summary": str(resource.fetch_error)})
        seen = set()
        fetchers = [resource, *resource.subreqs.values()]
        for fetcher in fetchers:
            for note in notes_of(fetcher.response.notes):
                name = type(note).__name__
                if note.level in SHOWN and (name, note.subject) not in seen:
                    seen.add((name, note.subject))
                    summary = f"{note} ({fetcher.check_name})" if fetcher is not resource else str(note)
                    said.append({**line, "note": name, "level": note.level.value, "subject": note.subject, "summary": summary})
        if not seen:
            said.append({**line, "note": "", "level": "good", "subject": "", "summary": ""})
        # Not from within the callback: the resource is still being finished.
        thor.schedule(0, following)

    thor.schedule(0, following)
    thor.run()
    json.dump(said, sys.stdout)


main()
