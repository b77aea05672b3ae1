"""The certificate of the endpoint, and which clients it trusts."""

import ssl
from dataclasses import dataclass
from pathlib import Path

from sensors.endpoint.errors import CertificateInvalid

__all__ = ["Tls"]


@dataclass(frozen=True, slots=True)
class Tls:
    """TLS 1.2 or newer.

    Attributes
    ----------
    certificate
        PEM file: the certificate, then those of the authorities between.
    key
        PEM file: its private key, without a password.
    client_ca
        PEM file of the authorities; where given, only clients with a certificate of
        theirs may connect. They log in with user name and password all the same.
    """

    certificate: Path
    key: Path
    client_ca: Path | None = None

    def context(self) -> ssl.SSLContext:
        """Return what a server needs.

        Raises
        ------
        CertificateInvalid
            A file is missing, is not PEM, or the key is not of the certificate.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            # An empty password: never ask at the terminal for one.
            context.load_cert_chain(self.certificate, self.key, password="")
        except (OSError, ValueError) as error:
            raise self._invalid(f"{self.certificate}, {self.key}", error) from error
        if self.client_ca is not None:
            try:
                context.load_verify_locations(self.client_ca)
            except OSError as error:
                raise self._invalid(str(self.client_ca), error) from error
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def _invalid(self, files: str, error: Exception) -> CertificateInvalid:
        return CertificateInvalid(
            f"TLS: {files} cannot be used ({error}); give PEM files of a certificate"
            " and its own key without a password"
            f" · TLS 证书或私钥无法使用：{files}，请提供相互匹配、私钥无密码的 PEM 文件"
        )
