"""Writes e-invoices: the XML of EN 16931, and what makes a PDF with it inside a Factur-X.

Importing this costs more than half a second, so only typesetters do, when first asked.
"""

import re
from io import SEEK_END, BytesIO

from facturx import generate_cii_xml, generate_xmp_object
from lxml import etree
from pypdf import PdfReader
from pypdf.generic import (
    DecodedStreamObject,
    DictionaryObject,
    NameObject,
    NumberObject,
    StreamObject,
)

from billing_gql.documents.e_invoice import business_terms
from billing_gql.documents.printed import PrintedDocument

LEVEL = "en16931"
FILE_NAME = "factur-x.xml"
"""Of the XML inside the PDF; the standard sets it."""
NAMESPACE = "urn:factur-x:pdfa:CrossIndustryDocument:invoice:1p0#"
RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
START = re.compile(rb"startxref\s+(\d+)")
START_OF_XMP = b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>'
END_OF_XMP = b'<?xpacket end="r"?>'
NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"
SCHEMAS = "{http://www.aiim.org/pdfa/ns/extension/}schemas"


def xml_of(document: PrintedDocument) -> bytes:
    """The e-invoice of a document without obstacles, as Cross Industry Invoice."""
    # Without its Schematron, which the library would ask a server on the internet to run.
    made = generate_cii_xml(
        business_terms(document), level=LEVEL, check_xsd=False, check_schematron=False
    )
    root = etree.fromstring(made)
    for element in root.iter():
        element.attrib.pop(NIL, None)  # it says so of delivery, which the schema does not allow
    written: bytes = etree.tostring(root, xml_declaration=True, encoding="UTF-8")
    return written


def marked(pdf: bytes) -> bytes:
    """The PDF, which has the XML inside, with metadata that say so.

    They are appended as an incremental update, which PDF has for this: the rest stays as it was
    set, and the same PDF gives the same bytes. pypdf would write all of it anew, in a second and
    a half for a thousand lines.
    """
    reader = PdfReader(BytesIO(pdf))
    reference = reader.root_object.raw_get("/Metadata")
    stream = DecodedStreamObject()
    stream.update(
        {NameObject("/Type"): NameObject("/Metadata"), NameObject("/Subtype"): NameObject("/XML")}
    )
    metadata = reader.root_object["/Metadata"].get_object()
    if not isinstance(metadata, StreamObject):
        raise ValueError("the PDF has no metadata")
    stream.set_data(_with_factur_x(metadata.get_data()))
    trailer = DictionaryObject(reader.trailer)
    trailer[NameObject("/Prev")] = NumberObject(int(START.findall(pdf)[-1]))
    made = BytesIO(pdf + b"\n")
    at = made.seek(0, SEEK_END)
    made.write(b"%d 0 obj\n" % reference.idnum)
    stream.write_to_stream(made)
    made.write(b"\nendobj\n")
    table = made.tell()
    made.write(b"xref\n0 1\n0000000000 65535 f\r\n")
    made.write(b"%d 1\n%010d 00000 n\r\ntrailer\n" % (reference.idnum, at))
    trailer.write_to_stream(made)
    made.write(b"\nstartxref\n%d\n%%%%EOF" % table)
    return made.getvalue()


def _with_factur_x(xmp: bytes) -> bytes:
    """The metadata with those of Factur-X, and with what PDF/A asks to have told of them."""
    root = etree.fromstring(xmp)
    ours = generate_xmp_object(
        {
            "urn": NAMESPACE,
            "documenttype": "INVOICE",
            "xml_filename": FILE_NAME,
            "version": "1.0",
            "xmp_level": "EN 16931",
            # Told already; the library asks for them.
            **dict.fromkeys(("title", "author", "subject", "producer", "creator_tool"), ""),
            **dict.fromkeys(("timestamp", "pdfa3_flavor"), ""),
        }
    )
    made = etree.fromstring(etree.tostring(ours))  # without the library's objectified nodes
    (told,) = root.iter(SCHEMAS)
    (schemas,) = made.iter(SCHEMAS)
    told[0].extend(schemas[0])
    for description in made.iter(f"{RDF}Description"):
        if description.find(f"{{{NAMESPACE}}}ConformanceLevel") is not None:
            description.set(f"{RDF}about", "")
            root.find(f"{RDF}RDF").append(description)
    written: bytes = etree.tostring(root, encoding="utf-8")
    return START_OF_XMP + written + END_OF_XMP
