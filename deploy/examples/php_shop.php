<?php
// Your shop's two duties, in PHP 8 without a library: sign who the shopper is, read what happened.
// Copy it. The same as python_shop.py; tests/deploy/test_examples.py holds the three languages together.
declare(strict_types=1);

const TOLERANCE_S = 300;

function base64url(string $value): string
{
    return rtrim(strtr(base64_encode($value), '+/', '-_'), '=');
}

/** A session for one shopper. $kid and $secret are your session key's, $shopper your own id of him. */
function sign_session(string $merchant, string $kid, string $secret, string $shopper, ?int $now = null, int $lifetime_s = 3600): string
{
    $now ??= time();
    $header = ['alg' => 'HS256', 'typ' => 'JWT', 'kid' => $kid];
    $claims = ['iss' => $merchant, 'aud' => 'sluice', 'sub' => $shopper, 'iat' => $now, 'exp' => $now + $lifetime_s];
    $signed = base64url(json_encode($header, JSON_THROW_ON_ERROR)) . '.' . base64url(json_encode($claims, JSON_THROW_ON_ERROR));
    $key = base64_decode(strtr($secret, '-_', '+/'), true);
    return $signed . '.' . base64url(hash_hmac('sha256', $signed, $key, true));
}

/** The event; throws. $headers with lower-case names, $body as it came (php://input). Remember its id. */
function read_webhook(string $secret, array $headers, string $body, ?float $now = null): array
{
    $sent_at = $headers['webhook-timestamp'];
    $key = base64_decode(str_starts_with($secret, 'whsec_') ? substr($secret, 6) : $secret, true);
    $good = 'v1,' . base64_encode(hash_hmac('sha256', "{$headers['webhook-id']}.$sent_at.$body", $key, true));
    $fits = false;
    // While a secret is being replaced there are two signatures; one has to fit.
    foreach (explode(' ', $headers['webhook-signature']) as $one) {
        $fits = hash_equals($good, $one) || $fits;
    }
    if (!$fits) {
        throw new InvalidArgumentException('wrong signature');
    }
    if (abs(($now ?? microtime(true)) - (int) $sent_at) > TOLERANCE_S) {
        throw new InvalidArgumentException('too old');
    }
    return json_decode($body, true, 32, JSON_THROW_ON_ERROR);
}
