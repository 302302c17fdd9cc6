"""An authority of one's own, and certificates by it: made by openssl, in a folder of the test."""

import subprocess


class Authority:
    """Vouches for servers and clients."""

    def __init__(self, folder, name="Test Authority"):
        self.folder = folder
        self.certificate, self.key = folder / "ca.pem", folder / "ca.key"
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc"]
        _openssl(
            "req", "-x509", *curve, "-keyout", self.key, "-out", self.certificate, "-days", "30",
            "-subj", f"/CN={name}", "-addext", "basicConstraints=critical,CA:TRUE",
            "-addext", "keyUsage=critical,keyCertSign,cRLSign",
        )  # fmt: skip

    def issue(self, file, *names, days=30, rsa=False, client=False):
        """A certificate for these names: the files of it and of its key."""
        certificate, key = self.folder / f"{file}.pem", self.folder / f"{file}.key"
        kind = ["rsa:2048"] if rsa else ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
        request = self.folder / f"{file}.csr"
        _openssl("req", "-newkey", *kind, "-noenc", "-keyout", key, "-out", request, "-subj", f"/CN={names[0]}")
        extensions = self.folder / f"{file}.ext"
        alternatives = ",".join(f"IP:{name}" if name[0].isdigit() else f"DNS:{name}" for name in names)
        usage = "clientAuth" if client else "serverAuth"
        extensions.write_text(
            f"subjectAltName={alternatives}\nextendedKeyUsage={usage}\nbasicConstraints=CA:FALSE\n"
        )
        _openssl(
            "x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key, "-out", certificate,
            "-extfile", extensions, "-days", days,
        )  # fmt: skip
        return certificate, key


def _openssl(*arguments):
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout
