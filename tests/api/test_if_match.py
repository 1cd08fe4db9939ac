"""Which versions of a record a change is for: `If-Match`, as RFC 9110 section 13.1.1 has it."""

import httpx2
import pytest
from support.api_client import Service

NAME = {"name": "Wend Valley"}
EVIDENCE = {"evidence": "Boxall profiles rose in nine schools of ten over two years."}


async def rename(service: Service, *lines: str, path: str = "/v1/clusters/1") -> httpx2.Response:
    """Changes a cluster, whose version is 1, with these lines of `If-Match`."""
    commissioner = service.as_("commissioner")
    token = commissioner.token or await commissioner.authorise()
    headers = [("Authorization", f"Bearer {token}"), *(("If-Match", line) for line in lines)]
    return await service.http.patch(path, json=NAME, headers=headers)


@pytest.mark.parametrize(
    "lines",
    [
        ('"2"',),
        ('"01"',),
        ('"a"',),
        ('""',),
        ('"99999999999999999999"',),
        ('"1,2"',),
        ('W/"1"',),
        ('W/"1", "2"',),
        ('"2"', 'W/"1"'),
    ],
)
async def test_a_tag_that_is_not_the_record_s_is_stale_and_changes_nothing(
    shared_service: Service, lines: tuple[str, ...]
) -> None:
    refused = await rename(shared_service, *lines)
    assert (refused.status_code, refused.json()["code"]) == (412, "stale")
    assert (await shared_service.as_("commissioner").get("/v1/clusters/1")).headers["ETag"] == '"1"'


@pytest.mark.parametrize(
    "lines",
    [("1",), ('"1',), ('w/"1"',), ('W/ "1"',), ('"1" "1"',), ('"1""1"',), ('"1", *',), ("*", "*"), ("*", '"1"'), ("",)],
)
async def test_what_is_no_list_of_tags_is_a_fault_of_the_header(
    shared_service: Service, lines: tuple[str, ...]
) -> None:
    refused = await rename(shared_service, *lines)
    assert refused.status_code == 422
    assert [(fault["pointer"], fault["code"]) for fault in refused.json()["errors"]] == [("/headers/if-match", "etag")]


async def test_a_change_without_the_header_is_refused(shared_service: Service) -> None:
    assert (await rename(shared_service)).status_code == 428


async def test_a_record_that_is_not_there_is_absent_whatever_version_is_taken(shared_service: Service) -> None:
    for tags in ("*", '"1"', 'W/"1"'):
        assert (await rename(shared_service, tags, path="/v1/clusters/9")).status_code == 404


@pytest.mark.parametrize(
    "lines",
    [
        ('"1"',),
        ("*",),
        (' "1"  ',),
        ('"7", "1"',),
        ('W/"7","1"',),
        (', "1",,',),
        ('"a,b", "1"',),
        ('"7"', '"1"'),
        ('W/"1"', '"1"'),
    ],
)
async def test_a_change_is_made_where_one_of_its_tags_is_the_record_s(service: Service, lines: tuple[str, ...]) -> None:
    changed = await rename(service, *lines)
    assert (changed.status_code, changed.headers.get("ETag")) == (200, '"2"'), changed.text


async def test_a_version_that_need_not_be_named_counts_if_it_is(service: Service) -> None:
    commissioner, promotion = service.as_("commissioner"), "/v1/services/OT/promotion"
    assert (await commissioner.post(promotion, EVIDENCE, etag='W/"1"')).status_code == 412
    assert (await commissioner.post(promotion, EVIDENCE, etag="1")).status_code == 422
    assert (await commissioner.post(promotion, EVIDENCE, etag='"7", "1"')).status_code == 201
