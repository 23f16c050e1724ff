// Passkeys. A form with a question for the browser has it as JSON (data-create or data-get): before
// it is sent, the browser is asked, and the answer is a field of the form. Without a script, or
// where the browser knows no passkeys, the form stays hidden, and what says so is shown.
"use strict";

function decode(text) {
  const plain = window.atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(plain, (character) => character.charCodeAt(0));
}

function encode(buffer) {
  const plain = Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte)).join("");
  return window.btoa(plain).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function question(text) {
  const asked = JSON.parse(text);
  asked.challenge = decode(asked.challenge);
  if (asked.user) {
    asked.user.id = decode(asked.user.id);
  }
  for (const known of [...(asked.excludeCredentials ?? []), ...(asked.allowCredentials ?? [])]) {
    known.id = decode(known.id);
  }
  return asked;
}

function answer(credential) {
  const { response } = credential;
  const said = { id: encode(credential.rawId) };
  for (const name of [
    "clientDataJSON",
    "attestationObject",
    "authenticatorData",
    "signature",
    "userHandle",
  ]) {
    if (response[name]) {
      said[name] = encode(response[name]);
    }
  }
  return JSON.stringify(said);
}

async function ask(form) {
  const problem = form.querySelector(".passkey-problem");
  problem.hidden = true;
  try {
    const credential = form.dataset.create
      ? await navigator.credentials.create({ publicKey: question(form.dataset.create) })
      : await navigator.credentials.get({ publicKey: question(form.dataset.get) });
    form.elements.credential.value = answer(credential);
    form.requestSubmit();
  } catch (error) {
    problem.textContent =
      error.name === "InvalidStateError"
        ? "This device has a passkey of yours already."
        : "The browser gave no passkey: it was not confirmed in time, or there is none here.";
    problem.hidden = false;
  }
}

for (const form of document.querySelectorAll("form[data-create], form[data-get]")) {
  if (!window.PublicKeyCredential) {
    continue;
  }
  form.hidden = false;
  for (const other of document.querySelectorAll(".without-passkeys")) {
    other.hidden = true;
  }
  form.elements.credential.value = "";
  form.addEventListener("submit", (event) => {
    if (!form.elements.credential.value) {
      event.preventDefault();
      ask(form);
    }
  });
}
