"""What no schema can say, for Schemathesis: a hook that drops the few failures that are none, each for a reason in words."""

import json
from datetime import datetime, timezone

import schemathesis

PROBLEM = "urn:wellspring:problem:"


def problem_of(response):
    try:
        body = json.loads(response.content)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def text(query, name):
    value = query.get(name)
    return value if isinstance(value, str) else ""


def lies_ahead(moment):
    """True of moments that have not passed, and of those that Python's calendar cannot hold but that are as far away."""
    try:
        # Python knows no leap seconds.
        return datetime.fromisoformat(moment.upper().replace(":60", ":59")) > datetime.now(timezone.utc)
    except ValueError:
        return moment.startswith("9999")


def is_meant(case, response):
    query, problem = case.query or {}, problem_of(response)
    kind, parameter = problem.get("type"), problem.get("parameter")
    if response.status_code == 400 and kind == PROBLEM + "bad_parameter" and "as_of" in query:
        # OpenAPI 3.1 has no words for parameters that exclude each other: what is past gets no newer.
        if parameter in ("max_age", "wait") and parameter in query:
            return True
        # And a schema does not know what time it is.
        if parameter == "as_of" and lies_ahead(text(query, "as_of")):
            return True
    # The data of a key that nobody has asked for come with its first answer, and `wait` says how long that may take: for
    # whoever does not wait there are none yet, which 503 says with `Retry-After`.
    return response.status_code == 503 and kind == PROBLEM + "no_data_yet" and "wait" in query


@schemathesis.hook
def filter_failure(context, failure, case, response):
    named = type(failure).__name__
    return not (named in ("RejectedPositiveData", "ServerError") and is_meant(case, response))
