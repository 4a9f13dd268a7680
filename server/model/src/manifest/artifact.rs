//! What people call the things that are attached to images: signatures, bills of materials, attestations. A table of the media types
//! that the known tools write; what is not in it is called by its type.

/// What an artifact of this type is, in words that people know; nothing where the type is not known.
#[must_use]
pub fn name(artifact_type: &str) -> Option<&'static str> {
    let text = artifact_type.to_ascii_lowercase();
    let known: &[(&str, &str)] = &[
        ("application/vnd.dev.cosign.artifact.sig", "cosign signature"),
        ("application/vnd.dev.cosign.simplesigning", "cosign signature"),
        ("application/vnd.dev.cosign.artifact.sbom", "SBOM (cosign)"),
        ("application/vnd.dev.cosign", "cosign artifact"),
        ("application/vnd.dev.sigstore.bundle", "Sigstore bundle (signature or attestation)"),
        ("application/vnd.cncf.notary.signature", "Notary signature"),
        ("application/vnd.cncf.notary", "Notary artifact"),
        ("application/spdx+", "SPDX bill of materials (SBOM)"),
        ("text/spdx", "SPDX bill of materials (SBOM)"),
        ("application/vnd.spdx", "SPDX bill of materials (SBOM)"),
        ("application/vnd.cyclonedx", "CycloneDX bill of materials (SBOM)"),
        ("application/vnd.syft", "Syft bill of materials (SBOM)"),
        ("application/vnd.in-toto", "in-toto attestation"),
        ("application/vnd.dsse", "in-toto attestation (DSSE)"),
        ("application/vnd.openvex", "OpenVEX statement (vulnerabilities)"),
        ("application/sarif", "SARIF scan report"),
        ("application/vnd.aquasec.trivy", "Trivy scan report"),
        ("application/vnd.docker.attestation", "BuildKit attestation"),
        ("application/vnd.cncf.helm.config", "Helm chart"),
        ("application/vnd.wasm", "WebAssembly module"),
        ("application/vnd.cncf.flux", "Flux artifact"),
        ("application/vnd.cncf.model", "AI model"),
        ("application/vnd.oci.image.config.v1+json", "Image"),
        ("application/vnd.docker.container.image.v1+json", "Image"),
        ("application/vnd.oci.empty.v1+json", "Artifact without a type"),
    ];
    known.iter().find(|(prefix, _)| text.starts_with(prefix)).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::name;

    #[test]
    fn known_types_have_names_and_others_none() {
        assert_eq!(name("application/vnd.dev.cosign.artifact.sig.v1+json"), Some("cosign signature"));
        assert_eq!(name("application/spdx+json"), Some("SPDX bill of materials (SBOM)"));
        assert_eq!(name("application/vnd.cyclonedx+json"), Some("CycloneDX bill of materials (SBOM)"));
        assert_eq!(name("application/vnd.in-toto+json"), Some("in-toto attestation"));
        assert_eq!(name("application/x-mine"), None);
    }
}
