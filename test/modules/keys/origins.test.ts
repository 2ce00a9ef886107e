import { describe, expect, it } from 'vitest';
import { ipIsAllowed, normalIpRange, normalOrigin, originIsAllowed } from '../../../src/modules/keys/origins.ts';

describe('an allowed origin has one spelling', () => {
  it.each([
    ['https://app.example.com', 'https://app.example.com'],
    ['HTTPS://App.Example.COM', 'https://app.example.com'],
    ['https://app.example.com/', 'https://app.example.com'],
    ['https://app.example.com:443', 'https://app.example.com'],
    ['http://app.example.com:80', 'http://app.example.com'],
    ['https://app.example.com:8443', 'https://app.example.com:8443'],
    ['https://bücher.example', 'https://xn--bcher-kva.example'],
    ['https://*.Example.com', 'https://*.example.com'],
    ['https://*.example.com:8443', 'https://*.example.com:8443'],
    ['https://*.example.com:*', 'https://*.example.com:*'],
    ['http://localhost:*', 'http://localhost:*'],
    ['http://127.0.0.1:3000', 'http://127.0.0.1:3000'],
    ['http://[::1]:3000', 'http://[::1]:3000'],
    ['http://[0:0:0:0:0:0:0:1]:*', 'http://[::1]:*'],
    ['capacitor://localhost', 'capacitor://localhost'],
    ['chrome-extension://abcdefgh', 'chrome-extension://abcdefgh'],
    ['APP://MyHost', 'app://myhost'],
    ['*', '*'],
  ])('%s is %s', (text, normal) => {
    expect(normalOrigin(text)).toBe(normal);
    expect(normalOrigin(normal)).toBe(normal);
  });
});

describe('a request from an origin', () => {
  it.each([
    ['https://app.example.com', 'https://app.example.com', true],
    ['https://app.example.com', 'HTTPS://APP.EXAMPLE.COM', true],
    ['https://app.example.com', 'https://app.example.com:443', true],
    ['https://app.example.com', 'http://app.example.com', false],
    ['https://app.example.com', 'https://app.example.com:8443', false],
    ['https://app.example.com', 'https://app.example.com.evil.example', false],
    ['https://app.example.com', 'https://evil.example/https://app.example.com', false],
    ['https://app.example.com', 'https://app.example.com@evil.example', false],
    ['https://app.example.com', 'https://xapp.example.com', false],
    ['https://app.example.com', 'null', false],
    ['https://app.example.com', '', false],
    ['https://app.example.com', undefined, false],
    ['https://xn--bcher-kva.example', 'https://bücher.example', true],
    ['https://xn--bcher-kva.example', 'https://xn--bcher-kva.example', true],
    ['https://*.example.com', 'https://a.example.com', true],
    ['https://*.example.com', 'https://a.b.example.com', true],
    ['https://*.example.com', 'https://example.com', false],
    ['https://*.example.com', 'https://.example.com', false],
    ['https://*.example.com', 'https://aexample.com', false],
    ['https://*.example.com', 'https://a.example.com:8443', false],
    ['https://*.example.com', 'http://a.example.com', false],
    ['https://*.example.com', 'https://a.example.com.evil.example', false],
    ['https://*.example.com:8443', 'https://a.example.com:8443', true],
    ['https://*.example.com:8443', 'https://a.example.com', false],
    ['https://*.example.com:*', 'https://a.example.com:1', true],
    ['https://*.example.com:*', 'https://a.example.com', true],
    ['https://*.example.com:*', 'https://example.com:1', false],
    ['http://localhost:*', 'http://localhost:5173', true],
    ['http://localhost:*', 'http://localhost', true],
    ['http://localhost:*', 'https://localhost:5173', false],
    ['http://localhost:*', 'http://localhost.evil.example:5173', false],
    ['http://[::1]:*', 'http://[::1]:5173', true],
    ['app://myhost', 'app://MyHost', true],
    ['*', 'https://anything.example', true],
    ['*', 'null', true],
    ['*', undefined, true],
  ])('that allows %s: %s is let in: %s', (pattern, origin, expected) => {
    expect(originIsAllowed([pattern], origin)).toBe(expected);
    expect(originIsAllowed(['https://unrelated.example', pattern], origin)).toBe(expected);
  });
});

describe('an address', () => {
  it.each([
    ['192.0.2.7', '192.0.2.7', true],
    ['192.0.2.7', '192.0.2.8', false],
    ['10.0.0.0/8', '10.255.255.255', true],
    ['10.0.0.0/8', '11.0.0.0', false],
    ['10.1.2.3/8', '10.9.9.9', true],
    ['0.0.0.0/0', '203.0.113.9', true],
    ['0.0.0.0/0', '2001:db8::1', false],
    ['::/0', '2001:db8::1', true],
    ['2001:DB8::/32', '2001:db8:ffff::1', true],
    ['2001:db8::/32', '2001:db9::1', false],
    ['10.0.0.0/8', '::ffff:10.1.2.3', true],
    ['10.0.0.0/8', '::FFFF:10.1.2.3', true],
    ['10.0.0.0/8', '::ffff:a01:203', true],
    ['10.0.0.0/8', '::ffff:11.1.2.3', false],
    ['::ffff:10.0.0.0/104', '10.1.2.3', true],
    ['10.0.0.0/8', 'not an address', false],
    ['10.0.0.0/8', '', false],
    ['10.0.0.0/8', undefined, false],
  ])('in %s: %s is let in: %s', (range, address, expected) => {
    expect(ipIsAllowed([normalIpRange(range) ?? ''], address)).toBe(expected);
  });
});
