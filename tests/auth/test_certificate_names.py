"""Whom a certificate names; what is expected is what RabbitMQ 3.10.8 made of the same names."""

import contextlib
import ipaddress
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import NameOID, ObjectIdentifier
from hypothesis import given
from hypothesis import strategies as st

from amqpd.auth.certificate_names import CertificateLogin, MalformedCertificate, validity_of
from amqpd.testing.certificates import DAY, Authority

UNKNOWN_TYPE = ObjectIdentifier("1.2.3.4")


def attribute(type: ObjectIdentifier, value: str, kind: str = "") -> x509.NameAttribute:
    return x509.NameAttribute(type, value, _ASN1Type[kind] if kind else None)


CN = NameOID.COMMON_NAME
ORGANIZATION = NameOID.ORGANIZATION_NAME
OU = NameOID.ORGANIZATIONAL_UNIT_NAME


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ([attribute(CN, "anna")], "CN=anna"),
        ([attribute(ORGANIZATION, "Some, Inc"), attribute(CN, "anna")], "CN=anna,O=Some\\, Inc"),
        ([attribute(ORGANIZATION, " #lead trail ")], "O=\\ #lead trail\\ "),
        ([attribute(OU, '#x"+,;<>\\=')], 'OU=\\#x\\"\\+\\,\\;\\<\\>\\\\='),
        ([attribute(CN, "  ")], "CN=\\ \\ "),
        ([attribute(CN, " ")], "CN=\\ "),
        ([attribute(CN, "Löndon~")], "CN=L\\C3\\B6ndon\\7E"),
        ([attribute(CN, "tab\tx\x7f日")], "CN=tab\\09x\\7F\\E6\\97\\A5"),
        ([attribute(CN, "bmp日λ", "BMPString")], "CN=bmp\\E6\\97\\A5\\CE\\BB"),
        ([attribute(CN, "tele", "T61String")], "CN=tele"),
        ([attribute(CN, "univ日", "UniversalString")], "CN=univ\\E6\\97\\A5"),
        ([attribute(CN, "prin", "PrintableString")], "CN=prin"),
        ([attribute(NameOID.EMAIL_ADDRESS, "a@b.c")], "EMAILADDRESS=a@b.c"),
        ([attribute(NameOID.EMAIL_ADDRESS, "müller@x", "UTF8String")], "EMAILADDRESS=m\\FCller@x"),
        ([attribute(UNKNOWN_TYPE, "text")], "1.2.3.4=text"),
        (
            [attribute(UNKNOWN_TYPE, "ia5abc", "IA5String")],
            "1.2.3.4=\\<\\<22\\,6\\,105\\,97\\,53\\,97\\,98\\,99\\>\\>",
        ),
        ([attribute(NameOID.STREET_ADDRESS, "Road 1")], "2.5.4.9=Road 1"),
        ([attribute(NameOID.JURISDICTION_COUNTRY_NAME, "DE")], "1.3.6.1.4.1.311.60.2.1.3=DE"),
        (
            [
                attribute(NameOID.USER_ID, "u"),
                attribute(NameOID.DOMAIN_COMPONENT, "example"),
                attribute(NameOID.SERIAL_NUMBER, "1"),
                attribute(NameOID.SURNAME, "s"),
                attribute(NameOID.GIVEN_NAME, "g"),
                attribute(NameOID.TITLE, "t"),
                attribute(NameOID.PSEUDONYM, "p"),
                attribute(NameOID.GENERATION_QUALIFIER, "III"),
                attribute(NameOID.INITIALS, "i"),
                attribute(NameOID.COUNTRY_NAME, "GB"),
                attribute(NameOID.STATE_OR_PROVINCE_NAME, "st"),
                attribute(NameOID.LOCALITY_NAME, "l"),
                attribute(NameOID.DN_QUALIFIER, "q"),
            ],
            "2.5.4.46=q,L=l,ST=st,C=GB,INITIALS=i,GENERATIONQUALIFIER=III,PSEUDONYM=p,TITLE=t,GIVENNAME=g,SN=s,"
            "SERIALNUMBER=1,DC=example,UID=u",
        ),
        ([], ""),
    ],
)
def test_a_distinguished_name_is_written_as_rabbitmq_writes_it(
    authority: Authority, attributes: list[x509.NameAttribute], expected: str
):
    certificate = authority.issue(x509.Name(attributes), file="name").der()
    assert CertificateLogin().user(certificate) == expected


def test_a_part_of_several_attributes_is_joined_with_plus(authority: Authority):
    parts = [
        x509.RelativeDistinguishedName([attribute(CN, "m"), attribute(OU, "n")]),
        x509.RelativeDistinguishedName([attribute(ORGANIZATION, "o")]),
    ]
    assert CertificateLogin().user(authority.issue(x509.Name(parts), file="name").der()) == "O=o,CN=m+OU=n"


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ([attribute(CN, "Änna, <tab\t>")], "Änna, <tab\t>"),
        ([attribute(CN, "a"), attribute(ORGANIZATION, "o"), attribute(CN, "b,c")], "a,b,c"),
        ([attribute(ORGANIZATION, "o")], ""),
    ],
)
def test_common_names_are_not_escaped_and_joined_with_commas(
    authority: Authority, attributes: list[x509.NameAttribute], expected: str
):
    certificate = authority.issue(x509.Name(attributes), file="name").der()
    assert CertificateLogin("common_name").user(certificate) == expected


@pytest.mark.parametrize(
    ("san_type", "expected"),
    [
        ("dns", ["d1", "d2", ""]),
        ("email", ["e@x", "", ""]),
        ("uri", ["urn:x:y", "", ""]),
        ("ip", ["\x7f\0\0\1", "", ""]),
        ("other_name", ["text", "", ""]),
    ],
)
@pytest.mark.parametrize("source", ["subject_alternative_name", "subject_alt_name"])
def test_alternative_names_are_counted_by_their_kind(
    authority: Authority, source: str, san_type: str, expected: list[str]
):
    names = [
        x509.DNSName("d1"),
        x509.RFC822Name("e@x"),
        x509.DNSName("d2"),
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
        x509.UniformResourceIdentifier("urn:x:y"),
        x509.OtherName(UNKNOWN_TYPE, b"\x0c\x04text"),
        x509.OtherName(UNKNOWN_TYPE, b"\x02\x01\x07"),
    ]
    certificate = authority.issue("anna", file="name", names=names).der()
    assert [CertificateLogin(source, san_type, index).user(certificate) for index in range(3)] == expected


def test_without_alternative_names_there_is_no_user(authority: Authority):
    assert CertificateLogin("subject_alternative_name").user(authority.issue("anna").der()) == ""


@given(st.data())
def test_damaged_certificates_raise_nothing_but_malformed_certificate(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
):
    certificate = CERTIFICATE.setdefault(
        "", Authority(Path(tmp_path_factory.getbasetemp())).issue("anna").der()
    )
    place = data.draw(st.integers(0, len(certificate) - 1))
    damaged = certificate[:place] + data.draw(st.binary(max_size=8)) + certificate[place + 1 :]
    for source in ("distinguished_name", "common_name", "subject_alternative_name"):
        with contextlib.suppress(MalformedCertificate):
            assert isinstance(CertificateLogin(source).user(damaged), str)
    with contextlib.suppress(MalformedCertificate):
        assert all(time.isdigit() for time in validity_of(damaged))


@pytest.mark.parametrize("years", [1, 60])
def test_how_long_a_certificate_is_valid_is_read_before_and_after_2050(authority: Authority, years: int):
    issued = authority.issue("anna", valid=years * 365 * DAY)
    begins, ends = validity_of(issued.der())
    assert begins == f"{issued.certificate.not_valid_before_utc:%Y%m%d%H%M%S}"
    assert ends == f"{issued.certificate.not_valid_after_utc:%Y%m%d%H%M%S}"


CERTIFICATE: dict[str, bytes] = {}
"""One for all examples."""
