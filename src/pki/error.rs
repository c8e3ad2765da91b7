//! The errors of keys and certificates, with texts that say what to do.

use std::path::PathBuf;

use crate::{file::FileError, time::Timestamp};

/// Why keys and certificates could not be loaded or made.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// A file could not be read.
    #[error(transparent)]
    File(FileError),
    /// The issuer's files were read, and one of them is not what it should be.
    #[error("cannot issue with the {what} {}", path.display())]
    Issuer {
        /// "certificate" or "key".
        what: &'static str,
        /// The file at fault.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: IssuerFault,
    },
    /// The serving certificate's files were read, and one of them is not what it should be.
    #[error("cannot serve with the {what} {}", path.display())]
    Serving {
        /// "certificate", "key" or "CA file".
        what: &'static str,
        /// The file at fault.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: ServingFault,
    },
    /// The file of a router's certificate was read, and holds none.
    #[error("cannot use the router's certificate {}", path.display())]
    Router {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: CertificateFault,
    },
    /// The CA that was to sign a certificate of ours cannot.
    #[error("the CA cannot sign this certificate")]
    Authority(#[source] IssuerFault),
    /// A serving certificate without hosts was asked for.
    #[error("a serving certificate needs at least one host")]
    NoHosts,
    /// The certificate library refused.
    #[error("cannot make a {what}")]
    Make {
        /// "CA key", "CA certificate" and the like.
        what: &'static str,
        /// The library's reason.
        #[source]
        source: rcgen::Error,
    },
}

/// Why an issuer's certificate and key cannot sign client certificates.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IssuerFault {
    /// The certificate file.
    #[error(transparent)]
    Certificate(CertificateFault),
    /// The key file.
    #[error(transparent)]
    Key(KeyFault),
    /// A leaf was given as issuer.
    #[error("it is not a CA certificate (CA:TRUE): give the certificate of the CA itself, not one the CA has issued")]
    NotCa,
    /// `keyUsage` is there and has no `keyCertSign`.
    #[error("its key usage does not allow signing certificates: make a CA with keyCertSign")]
    NoCertSign,
    /// `extKeyUsage` is there and has no `clientAuth`, so routers would refuse what it signs.
    #[error(
        "its extended key usage does not allow client certificates: make a CA with clientAuth, or without that extension"
    )]
    NoClientAuth,
    /// The certificate is not valid yet.
    #[error("it is not valid before {not_before}: check this machine's clock, or wait")]
    NotYetValid {
        /// Its first second.
        not_before: Timestamp,
    },
    /// The certificate has expired.
    #[error("it expired after {not_after}: renew the CA")]
    Expired {
        /// Its last second.
        not_after: Timestamp,
    },
    /// Certificate and key are not of one pair.
    #[error("it is not the key of the certificate: give the two files that were made together")]
    KeyMismatch,
    /// A certificate signed for trial does not verify. A fault of grantd, or an unusual CA.
    #[error("a certificate signed for trial is not accepted: {what}")]
    Probe {
        /// Which check failed.
        what: &'static str,
    },
}

/// Why the grant server cannot serve with these files. Each fault would make a client refuse the server
/// (docs/protocol.md section 1.4).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServingFault {
    /// The certificate file or the CA file.
    #[error(transparent)]
    Certificate(CertificateFault),
    /// The key file.
    #[error(transparent)]
    Key(KeyFault),
    /// The certificate is not valid yet.
    #[error("it is not valid before {not_before}: check this machine's clock, or wait")]
    NotYetValid {
        /// Its first second.
        not_before: Timestamp,
    },
    /// The certificate has expired.
    #[error("it expired after {not_after}: renew it")]
    Expired {
        /// Its last second.
        not_after: Timestamp,
    },
    /// Certificate and key are not of one pair.
    #[error("it is not the key of the certificate: give the two files that were made together")]
    KeyMismatch,
    /// `extKeyUsage` is there and has no `serverAuth`.
    #[error("its extended key usage does not allow servers: make a certificate with serverAuth")]
    NoServerAuth,
    /// Clients ignore the common name.
    #[error(
        "it names no host as subjectAltName: make a certificate with the DNS names or IP addresses that tokens use"
    )]
    NoHosts,
    /// Clients trust the CA file alone.
    #[error(
        "no certificate in it has issued the serving certificate: give the CA that has, and put intermediate certificates into the certificate file"
    )]
    Untrusted,
}

/// Why a file is not a certificate that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateFault {
    /// Not PEM.
    #[error(transparent)]
    Pem(PemFault),
    /// Blocks, but no certificate.
    #[error("it holds no certificate but a block of type {found}: are two files swapped?")]
    NoCertificate {
        /// The label of the first block.
        found: String,
    },
    /// A private key in a file that is handed out.
    #[error("it holds a private key, and this file is given to others: keep the key in a file of its own")]
    HoldsPrivateKey,
    /// A certificate block that is no X.509 certificate.
    #[error("its certificate number {number} is damaged: copy the file again")]
    Damaged {
        /// Which certificate of the file, from 1.
        number: usize,
    },
    /// A key that is too weak.
    #[error("its RSA key has {bits} bits: use one of 2048 to 4096")]
    RsaSize {
        /// Size of the modulus.
        bits: usize,
    },
    /// A kind of key that is not supported.
    #[error("its kind of key is not supported: use RSA, ECDSA P-256, ECDSA P-384 or Ed25519")]
    UnsupportedKey,
}

/// Why a client's request for a certificate is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CertificateRequestFault {
    /// Longer than any request.
    #[error("it is too long")]
    TooLong,
    /// Not PKCS#10 in DER, or with a key in an unusual encoding.
    #[error("it is not PKCS#10 in DER")]
    Malformed,
    /// An RSA key that is too weak or too slow.
    #[error("its RSA key does not have 2048 to 4096 bits")]
    RsaSize,
    /// A kind of key that is not supported.
    #[error("its kind of key is not supported")]
    UnsupportedKey,
    /// The signature is not of the request's own key, or of an old kind.
    #[error("its signature does not verify")]
    Signature,
}

/// Why a file is not a private key that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// Not PEM.
    #[error(transparent)]
    Pem(PemFault),
    /// Blocks, but no key.
    #[error("it holds no private key but a block of type {found}: are two files swapped?")]
    NoKey {
        /// The label of the first block.
        found: String,
    },
    /// The key is encrypted; a service cannot ask for a passphrase.
    #[error(
        "it is encrypted: decrypt it with 'openssl pkey -in FILE -out FILE.plain' and give that file, readable by its owner only"
    )]
    Encrypted,
    /// A key that is too weak, or too slow.
    #[error("its RSA key is not of 2048 to 4096 bits: make a new key")]
    RsaSize,
    /// A key of a kind that is not supported, or one that breaks the rules of its kind.
    #[error("it is not a valid key of a supported kind: use RSA, ECDSA P-256, ECDSA P-384 or Ed25519")]
    Unsupported,
}

/// Why a file is not PEM.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PemFault {
    /// The file is empty.
    #[error("it is empty")]
    Empty,
    /// Neither PEM nor DER.
    #[error("it is not a PEM file: no line starts with '-----BEGIN'")]
    NoBlocks,
    /// The certificate or key in binary form (DER).
    #[error(
        "it is binary (DER): convert it to PEM with 'openssl x509 -inform der -in FILE' or 'openssl pkey -inform der -in FILE'"
    )]
    BinaryDer,
    /// A block without an end, or with a body that is not base64.
    #[error("its block of type {label} is damaged: copy the file again")]
    Damaged {
        /// The text after BEGIN.
        label: String,
    },
}

/// Why no certificate was issued. Nothing has been counted then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IssueError {
    /// The CA is outside its dates.
    #[error("the issuer's certificate cannot be used now")]
    Issuer(#[source] IssuerFault),
    /// The machine's randomness or memory failed.
    #[error("the cryptographic library could not {action}")]
    Crypto {
        /// What was being done.
        action: &'static str,
    },
}
