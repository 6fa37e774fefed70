"""Uploaded tables: what is taken, and what strangers try."""

import base64
import io
import socket
import struct
import threading

import httpx
import pytest

from catalog.service.tap import remote
from catalog.service.tap.errors import ServiceError
from catalog.service.tap.votable_reader import read_votable

HEAD = '<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE><TABLE>'
TAIL = "</TABLE></RESOURCE></VOTABLE>"
FIELDS = (
    '<FIELD name="id" datatype="long"><VALUES null="-9"/></FIELD><FIELD name="x" datatype="double" unit="m"/>'
    '<FIELD name="s" datatype="char" arraysize="*"/>'
)


def table(data, fields=FIELDS):
    return f"{HEAD}{fields}<DATA>{data}</DATA>{TAIL}"


def tabledata(*rows):
    cells = ("".join(f"<TD>{cell}</TD>" for cell in row) for row in rows)
    return table(f"<TABLEDATA>{''.join(f'<TR>{row}</TR>' for row in cells)}</TABLEDATA>")


GOOD = tabledata(("1", "0.5", "a &amp; b"), ("-9", "NaN", ""), ("3", "", "é"))


def upload(service, document, adql="SELECT * FROM TAP_UPLOAD.mine", **parameters):
    form = {"LANG": "ADQL", "QUERY": adql, "UPLOAD": "mine,param:part", "FORMAT": "csv", **parameters}
    content = document if isinstance(document, bytes) else document.encode()
    return httpx.post(f"{service.tap}/sync", data=form, files={"part": ("../../x", content)}, timeout=30)


def read(document, rows=100, columns=10):
    content = document if isinstance(document, bytes) else document.encode()
    return read_votable(io.BytesIO(content), "mine", rows, columns)


def test_all_serialisations():
    values = [(1, 0.5, "ab"), (None, 2.5, None)]
    binary = b"".join(struct.pack(">qdI", i, x, len(s)) + s for i, x, s in [(1, 0.5, b"ab"), (-9, 2.5, b"")])
    flagged = b"".join(
        flags + struct.pack(">qdI", i, x, len(s)) + s
        for flags, i, x, s in [(b"\0", 1, 0.5, b"ab"), (b"\xa0", 5, 2.5, b"")]
    )
    for tag, data in (("BINARY", binary), ("BINARY2", flagged)):
        text = base64.encodebytes(data).decode()
        assert read(table(f'<{tag}><STREAM encoding="base64">{text}</STREAM></{tag}>')).rows == values
    assert read(tabledata(("1", "0.5", "ab"), ("-9", "2.5", ""))).rows == values


def test_nulls_and_text_arrive(service):
    assert upload(service, GOOD).text == 'id,x,s\n1,0.5,"a & b"\n,nan,\n3,,"é"\n'
    assert upload(service, GOOD, "SELECT ID, u.S FROM tap_upload.Mine AS u WHERE id = 3").text == 'id,s\n3,"é"\n'


def test_nothing_is_left_behind(service):
    assert upload(service, GOOD).status_code == 200
    assert service.rows("SELECT count(*) FROM pg_class WHERE relname = 'mine'") == [(0,)]
    assert "No table came with the query" in service.sync("SELECT * FROM TAP_UPLOAD.mine").text


BOMB = "".join(f'<!ENTITY l{i + 1} "{f"&l{i};" * 10}">' for i in range(9))

HOSTILE = {
    "billion laughs": f'<!DOCTYPE VOTABLE [<!ENTITY l0 "ha">{BOMB}]>{tabledata(("1", "1", "&l9;"))}',
    "external entity": f'<!DOCTYPE VOTABLE [<!ENTITY e SYSTEM "file:///etc/passwd">]>{tabledata(("1", "1", "&e;"))}',
    "external document type": f'<!DOCTYPE VOTABLE SYSTEM "http://127.0.0.1:1/x.dtd">{GOOD}',
    "parameter entity": f'<!DOCTYPE V [<!ENTITY % p SYSTEM "file:///etc/passwd"> %p;]>{GOOD}',
    "rows elsewhere": table('<BINARY><STREAM href="file:///etc/passwd"/></BINARY>'),
    "FITS elsewhere": table('<FITS><STREAM href="http://127.0.0.1:1/"/></FITS>'),
    "no XML": "id,x\n1,2\n",
    "nothing": "",
    "another document": "<html><body/></html>",
    "too deep": "<VOTABLE>" + "<RESOURCE>" * 5000,
    "no columns": f"{HEAD}{TAIL}",
    "too many columns": table("", '<FIELD name="a" datatype="int"/>' * 500),
    "huge array": table("<TABLEDATA/>", '<FIELD name="a" datatype="int" arraysize="999999999"/>'),
    "huge text": table(
        f'<BINARY><STREAM encoding="base64">{base64.b64encode(bytes([255] * 8)).decode()}</STREAM></BINARY>',
        '<FIELD name="a" datatype="char" arraysize="999999999"/>',
    ),
    "row count": tabledata(("1", "2")),
    "number out of range": tabledata((str(10**30), "1", "a")),
    "text as number": tabledata(("1; DROP TABLE x", "1", "a")),
    "half a value": table('<BINARY><STREAM encoding="base64">AAAA</STREAM></BINARY>'),
    "no base64": table('<BINARY><STREAM encoding="base64">!!!!</STREAM></BINARY>'),
    "twice": table("<TABLEDATA/>", '<FIELD name="a" datatype="int"/><FIELD name="A" datatype="int"/>'),
    "odd name": table("<TABLEDATA/>", '<FIELD name="&#10;" datatype="int"/>'),
    "unknown encoding": f'<?xml version="1.0" encoding="x-evil"?>{GOOD}',
    "latin bytes": b'<VOTABLE><RESOURCE name="\xff"/></VOTABLE>',
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_uploads(service, name):
    answer = upload(service, HOSTILE[name])
    assert answer.status_code == 400, answer.text
    assert "uploaded table mine" in answer.text
    assert "root:" not in answer.text
    assert upload(service, GOOD).status_code == 200


def test_column_names_are_no_sql(service):
    fields = """<FIELD name='a"; DROP TABLE catalogue.rvs_cnn; --' datatype="int"/>"""
    answer = upload(service, table("<TABLEDATA><TR><TD>1</TD></TR></TABLEDATA>", fields))
    assert answer.status_code == 200
    assert service.rows("SELECT count(*) > 0 FROM catalogue.rvs_cnn") == [(True,)]


@pytest.mark.parametrize(
    "parameter",
    ["mine", "mine,part", "mine,param:nothing", "mi ne,param:part", "a.b,param:part", '"x",param:part', "1,param:part",
     "mine,file:///etc/passwd", "mine,ftp://x/y", "mine,http://127.0.0.1/", "mine,http://localhost:5432/",
     "mine,https://user@example.org/", "mine,http://169.254.169.254/latest", "mine,http://[::1]/", "mine,http://0/",
     "mine,http://[::ffff:127.0.0.1]/", "mine,http://10.0.0.1/", "mine,http://", "mine,param:part;mine,param:part",
     ";".join(f"t{i},param:part" for i in range(99))],
)  # fmt: skip
def test_upload_parameters(service, parameter):
    answer = upload(service, GOOD, UPLOAD=parameter)
    assert answer.status_code == 400, answer.text


def test_too_many_rows():
    with pytest.raises(ServiceError, match="more than 2 rows"):
        read(GOOD, rows=2)


def test_a_public_address_is_fetched(tmp_path, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        monkeypatch.setattr(remote, "_PORTS", {"http": port})
        monkeypatch.setattr(remote, "_is_public", lambda address: True)

        def answer(reply):
            raw, _ = listening.accept()
            with raw:
                raw.recv(65536)
                raw.sendall(reply)

        for reply, outcome in (
            (b"HTTP/1.0 200 OK\r\n\r\nhello", None),
            (b"HTTP/1.0 302 Found\r\nLocation: http://127.0.0.1/\r\n\r\n", "status 302"),
            (b"HTTP/1.0 200 OK\r\n\r\n" + b"x" * 200, "larger"),
            (b"nonsense\r\n\r\n", "cannot be fetched"),
        ):
            thread = threading.Thread(target=answer, args=(reply,))
            thread.start()
            url = f"http://127.0.0.1:{port}/table?x=1"
            if outcome is None:
                remote.fetch_table(url, tmp_path / "t", 100)
                assert (tmp_path / "t").read_bytes() == b"hello"
            else:
                with pytest.raises(ServiceError, match=outcome):
                    remote.fetch_table(url, tmp_path / "t", 100)
            thread.join()


def test_fetching_can_be_forbidden(serve):
    with serve("fetch_uploads = false\n") as service:
        assert "not fetched from elsewhere" in upload(service, GOOD, UPLOAD="mine,https://example.org/x").text
        assert "upload-http" not in httpx.get(f"{service.tap}/capabilities").text
