//! An image's content for taking away and for reading: the commands that pull it, an artifact's files, the manifest.

use leptos::prelude::*;
use model::digest::Digest as Hash;
use model::views::images::{ImageView, ManifestText, Part, PartView};

use super::size;
use crate::boot::boot;
use crate::components::{Badge, Command, Digest, Tone};
use crate::urls;

/// What each client is told to pull it. A portal on plain http must be named as such to all but docker, which knows that of localhost.
fn commands(reference: &str, folder: &str, plain: bool, artifact: bool) -> Vec<(&'static str, String)> {
    let (podman, skopeo, oras) = if plain { ("--tls-verify=false ", "--src-tls-verify=false ", "--plain-http ") } else { ("", "", "") };
    let copy = ("skopeo", format!("skopeo copy {skopeo}docker://{reference} oci:{folder}"));
    if artifact {
        return vec![("oras", format!("oras pull {oras}{reference}")), copy];
    }
    vec![("docker", format!("docker pull {reference}")), ("podman", format!("podman pull {podman}{reference}")), copy]
}

/// How it is pulled.
#[component]
pub(super) fn Pull(
    /// The repository's whole name.
    name: String,
    /// A tag that names it.
    tag: Option<String>,
    /// Its digest.
    digest: String,
    /// The repository's path.
    short: String,
    /// Whether it is no image.
    artifact: bool,
) -> impl IntoView {
    let folder = short.rsplit('/').next().unwrap_or_default().to_owned();
    let plain = boot().public_url.starts_with("http://");
    let all = move |reference: String| {
        let clients = commands(&reference, &folder, plain, artifact);
        clients.into_iter().map(|(client, text)| view! { <Command what=format!("pull command of {client}") text/> }).collect_view()
    };
    let by_tag = tag.map(|tag| all(format!("{name}:{tag}")));
    let by_digest = all(format!("{name}@{digest}"));
    let tagged = by_tag.is_some();
    view! {
        <section class="panel">
            <header><h2>"Pull"</h2></header>
            <div class="panel-body">
                {by_tag.map(|commands| view! { <div class="stack-s">{commands}</div> })}
                <details class="as-table" open=!tagged>
                    <summary>"By digest: always this very image"</summary>
                    <div class="stack-s">{by_digest}</div>
                </details>
            </div>
        </section>
    }
    .into_any()
}

/// What an artifact is made of: its files.
#[component]
pub(super) fn Content(
    /// What it is made of.
    parts: Vec<PartView>,
    /// What of that is damaged on the disk.
    damaged: Vec<Hash>,
) -> impl IntoView {
    let rows = parts
        .into_iter()
        .filter(|part| part.part == Part::Layer)
        .map(|part| {
            let broken = damaged.contains(&part.digest).then(|| view! { " "<Badge tone=Tone::Bad text="damaged"/> });
            view! {
                <tr>
                    <td data-label="Type" class="table-main">{part.media_type}</td>
                    <td data-label="Digest"><span><Digest value=part.digest.to_string()/>{broken}</span></td>
                    <td data-label="Size" class="number">{size(part.size)}</td>
                </tr>
            }
        })
        .collect_view();
    view! {
        <section class="panel">
            <header><h2>"Content"</h2></header>
            <table class="table">
                <thead><tr><th scope="col">"Type"</th><th scope="col">"Digest"</th><th scope="col" class="number">"Size"</th></tr></thead>
                <tbody>{rows}</tbody>
            </table>
        </section>
    }
    .into_any()
}

/// JSON with a line for each value. It is not read for that, so that one which was cut, and the order that its maker chose, stay as they are.
fn indented(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    let line = |out: &mut String, depth: usize| {
        out.push('\n');
        out.extend(std::iter::repeat_n(' ', 2 * depth.min(40)));
    };
    let mut signs = text.chars().peekable();
    while let Some(sign) = signs.next() {
        if quoted {
            out.push(sign);
            (quoted, escaped) = (escaped || sign != '"', !escaped && sign == '\\');
            continue;
        }
        match sign {
            ' ' | '\n' | '\r' | '\t' => {}
            '{' | '[' => {
                out.push(sign);
                while signs.next_if(|next| next.is_ascii_whitespace()).is_some() {}
                if let Some(end) = signs.next_if(|next| matches!(next, '}' | ']')) {
                    out.push(end);
                } else {
                    depth += 1;
                    line(&mut out, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                line(&mut out, depth);
                out.push(sign);
            }
            ',' => {
                out.push(sign);
                line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            _ => {
                quoted = sign == '"';
                out.push(sign);
            }
        }
    }
    out
}

/// The manifest, to read and to take away.
#[component]
pub(super) fn Manifest(
    /// The image.
    image: ImageView,
    /// The beginning of its manifest.
    manifest: ManifestText,
    /// What the page was asked for: a tag or a digest.
    reference: String,
) -> impl IntoView {
    let href = format!("{}/manifest", urls::image(&image.project, &image.repository, &reference));
    let cut = (!manifest.whole).then_some("Only its beginning is shown.");
    view! {
        <section class="panel">
            <header>
                <h2>"Manifest "<span class="count">{size(image.manifest_size)}</span></h2>
                <div class="actions"><a class="button button-small" href=href download="" rel="external">"Download"</a></div>
            </header>
            <details class="as-table panel-body">
                <summary>"Show it, indented; the download is byte for byte"</summary>
                {match manifest.text {
                    Some(text) => view! { <pre class="code-block wrap" tabindex="0" aria-label="Manifest"><code class="break">{indented(&text)}</code></pre> }.into_any(),
                    None => view! { <p class="muted">"It is no text."</p> }.into_any(),
                }}
                {cut.map(|text| view! { <p class="muted small">{text}</p> })}
            </details>
        </section>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_portal_on_plain_http_is_named_as_such() {
        let all =
            |plain, artifact| commands("localhost:3000/shop/web:1", "web", plain, artifact).into_iter().map(|(_, text)| text).collect::<Vec<_>>();
        assert_eq!(
            all(true, false),
            [
                "docker pull localhost:3000/shop/web:1",
                "podman pull --tls-verify=false localhost:3000/shop/web:1",
                "skopeo copy --src-tls-verify=false docker://localhost:3000/shop/web:1 oci:web"
            ]
        );
        assert_eq!(all(false, false)[2], "skopeo copy docker://localhost:3000/shop/web:1 oci:web");
        assert_eq!(all(false, true)[0], "oras pull localhost:3000/shop/web:1");
    }

    #[test]
    fn a_manifest_is_indented_as_it_is() {
        assert_eq!(
            indented(r#"{"b":[1,{"x": "a:{\"}" }],"a":{ }}"#),
            "{\n  \"b\": [\n    1,\n    {\n      \"x\": \"a:{\\\"}\"\n    }\n  ],\n  \"a\": {}\n}"
        );
        assert_eq!(indented(r#"{"a":["cut"#), "{\n  \"a\": [\n    \"cut");
    }
}
