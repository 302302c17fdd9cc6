# Makes a token: who somebody is, which channels he may listen (subscribe) to, and for how many seconds. Ruby alone.

require "json"
require "openssl"

def make_token(secret, user, channels, seconds)
  raise ArgumentError, "The secret is empty: MULTIPLEXOR_TOKEN_SECRET does not reach this program." if secret.to_s.empty?

  base64url = ->(bytes) { [bytes].pack("m0").tr("+/", "-_").delete("=") }
  now = Time.now.to_i
  claims = { sub: user, listen: channels, iat: now, exp: now + seconds }
  signed = base64url.('{"alg":"HS256","typ":"JWT"}') + "." + base64url.(claims.to_json)
  signed + "." + base64url.(OpenSSL::HMAC.digest("SHA256", secret, signed))
end

# MULTIPLEXOR_TOKEN_SECRET=… ruby token.rb ann user.ann 'room.*'
if __FILE__ == $PROGRAM_NAME
  puts make_token(ENV["MULTIPLEXOR_TOKEN_SECRET"], ARGV[0], ARGV.drop(1), 3600)
end
