"""Write the SQL that turns the rows of a page into one document.

The compiler gives each record of a page as a column of the row `x`, and the aggregates over all rows as `y`.
"""

from collections.abc import Mapping

from convenor.read_model.columns import json_object
from convenor.read_model.selection import (
    Constant,
    Cursor,
    Edges,
    Found,
    Next,
    Page,
    PageInfo,
    Place,
    Rows,
    Shown,
    Total,
)


def edge_sql(page: Page, edge: Edges, nodes: Mapping[str, str], alias: str) -> str:
    """Write the select list of an edge.

    Args:
        page, edge: the requested page and edge.
        nodes: the column of each record, by key.
        alias: the alias of the record's row.
    """
    written = []
    for item in edge.shows:
        if isinstance(item, Constant):
            value = f"'{item.text}'"
        else:
            value = cursor_sql(page, alias) if isinstance(item, Cursor) else nodes[item.key]
        written.append(f'{value} as "{item.key}"')
    return ", ".join(written)


def aggregates_sql(page: Page, lists: Mapping[str, str], found: str, size: str) -> list[str]:
    """Write the aggregates over the rows of a page.

    Args:
        page: the requested page.
        lists: the columns of `x` that become lists, by key.
        found: the name of the step that found the rows, where the page shows its place among them.
        size: how many rows the page shows.
    """
    written = [f"coalesce(json_agg(x.{column}), '[]') as {column}" for column in lists.values()]
    count = f"(select count(*) from {found})"
    if looks_ahead(page):
        written.append(f"{count} > {size} as more")
    # Only the row that a cursor names is encoded, not every row of the page.
    if _shows(page, "startCursor"):
        written.append(f"(select {cursor_sql(page, 'l$')} from (select * from {found} limit 1) l$) as first_cursor")
    if _shows(page, "endCursor") or shows_next(page):
        last = f"select * from {found} offset greatest(least({count}, {size}) - 1, 0) limit 1"
        written.append(f"(select {cursor_sql(page, 'l$')} from ({last}) l$) as last_cursor")
    return written


def document_sql(page: Page, lists: Mapping[str, str]) -> str:
    """Write the document of a page; `lists` are the columns of `y` that hold its lists, by key."""
    return json_object(f'{_shown(item, page, lists)} as "{item.key}"' for item in page.shows)


def shows_place(page: Page) -> bool:
    """Check whether the page shows its place among the rows that were found."""
    return looks_ahead(page) or _shows(page, "startCursor", "endCursor")


def looks_ahead(page: Page) -> bool:
    """Check whether the page shows if another follows. One more row is then read than is shown."""
    return shows_next(page) or _shows(page, "hasNextPage")


def shows_next(page: Page) -> bool:
    """Check whether the cursor of the next page is requested."""
    return any(isinstance(item, Next) for item in page.shows)


NEXT = "case when y.more then y.last_cursor end"
"""The cursor of the next page, from the aggregates `y`."""


def cursor_sql(page: Page, alias: str) -> str:
    """Write the cursor of a row, as `list_query.read_cursor` reads it."""
    order = f"{'-' if page.descending else ''}{page.sort}"
    value = f'{alias}."{page.resource.sorts[page.sort].column}"::text'
    written = f"json_build_array('{order}', {value}, {page.resource.identity(alias)})::text"
    return f"translate(encode(convert_to({written}, 'UTF8'), 'base64'), E'+/=\\n', '-_')"


def _shows(page: Page, *places: Place) -> bool:
    return any(isinstance(item, PageInfo) and not item.places.isdisjoint(places) for item in page.shows)


def _shown(item: Shown, page: Page, lists: Mapping[str, str]) -> str:
    if isinstance(item, Rows | Edges | Found):
        return f"y.{lists[item.key]}"
    if isinstance(item, PageInfo):
        return json_object(_place(each, page) for each in item.shows)
    if isinstance(item, Constant):
        return f"'{item.text}'"
    return "y.total_count" if isinstance(item, Total) else NEXT


def _place(item: tuple[str, Place] | Constant, page: Page) -> str:
    """Write one field of a `PageInfo`."""
    if isinstance(item, Constant):
        return f"'{item.text}' as \"{item.key}\""
    values = {
        "hasNextPage": "y.more",
        "hasPreviousPage": "true" if page.after else "false",
        "startCursor": "y.first_cursor",
        "endCursor": "y.last_cursor",
    }
    return f'{values[item[1]]} as "{item[0]}"'
