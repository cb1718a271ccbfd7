"""Reads what a server (first argument, its base address) writes for readers, and compares it with what its JSON says. The other
arguments are routes: `SOURCE.FORMAT`. Prints a line for each difference.

RSS and Atom are read by feedparser and by fastfeedparser, iCalendar by icalendar, CSV by Python's csv."""

import csv
import io
import json
import sys
import urllib.request
from calendar import timegm
from datetime import datetime, timezone

import fastfeedparser
import feedparser
import icalendar

# What the sources of the lint call their fields.
TITLE, LINK, DATE = "title", "link", "published"


def fetch(url):
    with urllib.request.urlopen(url, timeout=30) as answer:
        return answer.read()


def seconds(text):
    return int(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp())


def by_feedparser(body):
    parsed = feedparser.parse(body)
    if parsed.bozo:
        yield ("not well formed", str(parsed.bozo_exception), None)
    for entry in parsed.entries:
        when = entry.get("published_parsed") or entry.get("updated_parsed")
        yield (entry.get("title"), entry.get("link"), timegm(when) if when else None)


def by_fastfeedparser(body):
    for entry in fastfeedparser.parse(body).entries:
        when = entry.get("published") or entry.get("updated")
        yield (entry.get("title"), entry.get("link"), seconds(when) if when else None)


def by_icalendar(body):
    for event in icalendar.Calendar.from_ical(body).walk("VEVENT"):
        start = event["DTSTART"].dt
        if not isinstance(start, datetime):
            start = datetime(start.year, start.month, start.day, tzinfo=timezone.utc)
        yield (str(event["SUMMARY"]), str(event["URL"]) if "URL" in event else None, int(start.timestamp()))


READERS = {"rss": [by_feedparser, by_fastfeedparser], "atom": [by_feedparser, by_fastfeedparser], "ics": [by_icalendar]}


def differences(route, wanted, body, items):
    extension = route.rpartition(".")[2]
    if extension == "ndjson":
        lines = [json.loads(line) for line in body.decode().splitlines()]
        if lines != items:
            yield f"{route}: its lines are not the items"
    elif extension == "json":
        if json.loads(body) != wanted:
            yield f"{route}: it is not what the plain read answers"
    elif extension == "csv":
        rows = list(csv.DictReader(io.StringIO(body.decode("utf-8-sig"), newline="")))
        told = [[row.get(name) for name in (TITLE, LINK)] for row in rows]
        meant = [[item[name] or "" for name in (TITLE, LINK)] for item in items]
        if told != meant:
            yield f"{route}: csv reads {told}, JSON says {meant}"
    else:
        meant = [(item[TITLE], item[LINK], seconds(item[DATE])) for item in items]
        for reader in READERS[extension]:
            # Calendars are sets, and so are feeds to some: only the entries themselves are compared.
            told = list(reader(body))
            if sorted(map(str, told)) != sorted(map(str, meant)):
                yield f"{route}: {reader.__name__} reads {told}, JSON says {meant}"


def main():
    base = sys.argv[1]
    for route in sys.argv[2:]:
        source = route.rpartition(".")[0]
        wanted = json.loads(fetch(f"{base}/api/{source}"))
        items = wanted["items"]
        for difference in differences(route, wanted, fetch(f"{base}/api/{route}"), items):
            print(difference)


main()
