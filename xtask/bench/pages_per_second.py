"""Extracts a list of pages over and over with parsel or BeautifulSoup, as pages_per_second.rs does with our own rules.

usage: pages_per_second.py parsel|bs4|bs4+lxml JOB.json SECONDS
parsel parses by lxml; BeautifulSoup by its own parser, or by lxml as well. All begin with the bytes of a page. Addresses are made absolute, white space is collapsed, as we do."""
import json, resource, sys, time
from urllib.parse import urljoin

peer, job, seconds = sys.argv[1], json.load(open(sys.argv[2])), float(sys.argv[3])
BASE = "https://example.org/"
ADDRESSES = {"href", "src"}

def collapsed(text):
    return " ".join(text.split())

def attribute(name, value):
    if value is None: return None
    return urljoin(BASE, value.strip()) if name in ADDRESSES else value.strip()

if peer == "parsel":
    from parsel import Selector
    def extract(body, page):
        rows = []
        for element in Selector(text=body).css(page["items"]):
            row = {}
            for name, place in page["fields"]:
                selector, _, attr = place.partition("@")
                found = [element] if selector in ("", ".") else element.css(selector)[:1]
                if not found: row[name] = None
                elif attr: row[name] = attribute(attr, found[0].attrib.get(attr))
                else: row[name] = collapsed(found[0].xpath("string(.)").get())
            rows.append(row)
        return rows
else:
    from bs4 import BeautifulSoup
    parser = "lxml" if peer == "bs4+lxml" else "html.parser"
    def extract(body, page):
        rows = []
        for element in BeautifulSoup(body, parser).select(page["items"]):
            row = {}
            for name, place in page["fields"]:
                selector, _, attr = place.partition("@")
                found = element if selector in ("", ".") else element.select_one(selector)
                if found is None: row[name] = None
                elif attr: row[name] = attribute(attr, found.get(attr))
                else: row[name] = collapsed(found.get_text())
            rows.append(row)
        return rows

pages = [(open(page["file"], "rb").read(), page) for page in job]
begun, cpu, done, rows, characters, first = time.monotonic(), time.process_time(), 0, 0, 0, True
while first or time.monotonic() - begun < seconds:
    for body, page in pages:
        found = extract(body.decode("utf-8", "replace"), page)
        if first:
            rows += len(found)
            characters += sum(len(value) for row in found for value in row.values() if value)
        done += 1
    first = False
print(json.dumps({"pages_per_second": done / (time.process_time() - cpu), "rows": rows, "characters": characters,
                  "peak_kb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}))
