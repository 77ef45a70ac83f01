"""A program that has pyHanko sign a PDF by a PKCS #11 module: MODULE TOKEN-LABEL ID PASSWORD-FILE UNSIGNED SIGNED."""

from __future__ import annotations

import sys
from pathlib import Path

from pyhanko.config.pkcs11 import TokenCriteria
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign import signers
from pyhanko.sign.pkcs11 import PKCS11Signer, open_pkcs11_session

module, label, number, password_file, unsigned, signed = sys.argv[1:]
ident = bytes((int(number),))
password = Path(password_file).read_text()
with open_pkcs11_session(module, token_criteria=TokenCriteria(label=label), user_pin=password) as session:
    signer = PKCS11Signer(session, cert_id=ident, key_id=ident)
    metadata = signers.PdfSignatureMetadata(field_name="Signature", md_algorithm="sha256")
    with open(unsigned, "rb") as source, open(signed, "wb") as target:
        signers.sign_pdf(IncrementalPdfFileWriter(source), metadata, signer=signer, output=target)
