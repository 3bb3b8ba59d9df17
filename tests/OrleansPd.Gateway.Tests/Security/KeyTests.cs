using System.Net;
using System.Reflection;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;
using OrleansPd.Gateway.Options;
using OrleansPd.Gateway.Security;
using OrleansPd.Gateway.Tests.Support;
using OrleansPd.Simulator.Faults;

namespace OrleansPd.Gateway.Tests.Security;

/// <summary>Who may call what, how much, and what becomes of keys.</summary>
public sealed class KeyTests
{
    private const string Body = """{"text":"Hello","sampling_params":{"max_new_tokens":4,"ignore_eos":true}}""";

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("Bearer")]
    [InlineData("Bearer wrong")]
    [InlineData("Bearer s3cre")]
    [InlineData("Bearer s3cret2")]
    [InlineData("Basic s3cret")]
    [InlineData("s3cret")]
    public async Task Without_the_key_every_route_but_the_open_ones_is_401_and_no_engine_hears_of_it(string? header)
    {
        await using var stage = await Stage.StartAsync(options: new GatewayOptions { ApiKey = "s3cret" });
        foreach (var (method, path) in ((string, string)[])
        [
            ("POST", "/generate"), (
                "POST", "/v1/chat/completions"), ("POST", "/v1/embeddings"), ("GET", "/v1/models"), ("GET", "/server_info"),
            ("GET", "/v1/loads"), ("GET", "/debug/requests"), (
                "POST", "/pause_generation"), ("POST", "/route_pd"), ("GET", "/nowhere"), ("POST", "//generate"),
            ("POST", "/GENERATE"), ("POST", "/health/../generate"), ("POST", "/v1/responses"),
        ])
        {
            var (status, text) = await SendAsync(stage, method, path, header);
            Assert.True(status == 401, $"{method} {path}: {status} {text}");
            Assert.DoesNotContain("s3cret", text);
        }
        Assert.All(stage.Engines, engine =>
            Assert.Equal((0L, 0), ((long)engine.Stats.RequestsTotal, engine.Stats.ControlCalls.Count)));
        foreach (var path in (string[])["/health", "/liveness", "/readiness", "/metrics"])
            Assert.Equal(200, (await SendAsync(stage, "GET", path, header)).Status);
    }

    [Fact]
    public async Task The_key_opens_and_goes_no_further()
    {
        await using var spy = await Spy.StartAsync();
        await using var gateway = await spy.GatewayAsync("h", o => (o.ApiKey, o.AdminApiKey) = ("s3cret", "queen"));
        using var client = new HttpClient { BaseAddress = gateway.Url };
        foreach (var key in (string[])["s3cret", "queen"])
        {
            client.DefaultRequestHeaders.Authorization = new("Bearer", key);
            using var response = await client.PostAsync(new Uri("/generate", UriKind.Relative), Json(Body), Stage.Token);
            Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        }
        await Stage.UntilAsync(() => spy.Seen.Count == 4);
        Assert.All(spy.Seen, seen => Assert.Equal("", seen.Headers.Authorization.ToString()));
    }

    [Theory]
    [InlineData("GET", "/debug/requests")]
    [InlineData("POST", "/flush_cache")]
    public async Task A_clients_key_is_no_admin_key(string method, string path)
    {
        await using var stage = await Stage.StartAsync(options: new GatewayOptions { ApiKey = "pawn", AdminApiKey = "queen" });
        Assert.Equal(401, (await SendAsync(stage, method, path, "Bearer pawn")).Status);
        Assert.Equal(200, (await SendAsync(stage, method, path, "Bearer queen")).Status);
    }

    [Fact]
    public async Task Named_keys_have_limits_of_their_own_and_the_answer_says_which_and_for_how_long()
    {
        var hash = Convert.ToHexString(SHA256.HashData("b0b"u8));
        var options = new GatewayOptions
        {
            ClientKeys =
            { "name=alice,key=al1ce,rpm=2", $"name=bob,sha256={hash},tpm=20", "name=carol,key=c4rol" }
        };
        await using var stage = await Stage.StartAsync(options: options);

        int[] alice = [await AskAsync("al1ce"), await AskAsync("al1ce"), await AskAsync("al1ce")];
        Assert.Equal([200, 200, 429], alice);
        // 4 tokens of answer and 1 or 2 of prompt each: the fourth is more than is left of 20.
        var bob = new List<int>();
        while (bob.Count < 8 && !bob.Contains(429))
            bob.Add(await AskAsync("b0b"));
        Assert.InRange(bob.Count, 2, 6);
        Assert.Equal(429, bob[^1]);
        Assert.Equal(200, await AskAsync("c4rol"));

        using var request = Request("POST", "/generate", "Bearer al1ce");
        using var limited = await stage.Client.SendAsync(request, Stage.Token);
        Assert.InRange(int.Parse(
            limited.Headers.GetValues("Retry-After").Single(), System.Globalization.CultureInfo.InvariantCulture), 1, 60);
        var error = JsonNode.Parse(await limited.Content.ReadAsStringAsync(Stage.Token))!["error"]!;
        Assert.Equal((429, "The key 'alice' is allowed 2 requests a minute."), ((int)error["code"]!, (string)error["message"]!));
        Assert.Equal("rate_limit_exceeded", limited.Headers.GetValues("x-router-error-code").Single());

        async Task<int> AskAsync(string key) => (await SendAsync(stage, "POST", "/generate", "Bearer " + key)).Status;
    }

    [Fact]
    public async Task Requests_at_a_time_are_limited_and_a_place_comes_back_with_the_answer()
    {
        await using var stage = await Stage.StartAsync(
            options: new GatewayOptions { ClientKeys = { "name=a,key=k,concurrency=1,priority=7" } });
        stage.Decode.Single().Faults.Add(new Fault(FaultKind.WedgeDecode));
        var first = SendAsync(stage, "POST", "/generate", "Bearer k");
        await Stage.UntilAsync(() => stage.ControlPlane.Leases.Count == 1);
        Assert.Equal(429, (await SendAsync(stage, "POST", "/generate", "Bearer k")).Status);
        stage.Decode.Single().Faults.Clear();
        Assert.Equal(200, (await first).Status);
        Assert.Equal(200, (await SendAsync(stage, "POST", "/generate", "Bearer k")).Status);
        Assert.All(stage.ControlPlane.Requests, request => Assert.Equal(7, request.Priority));
    }

    [Fact]
    public void A_minute_gives_back_what_it_took_and_a_request_larger_than_a_minute_is_served_when_it_is_full()
    {
        var clock = new FakeTimeProvider();
        var account = new ClientAccount(ClientKeySpec.Parse("name=a,key=k,rpm=60,tpm=600"), clock);
        Assert.Null(account.Enter(5000));
        Assert.Equal(429, account.Enter(1)!.Status);
        clock.Advance(TimeSpan.FromMinutes(7));
        Assert.Equal(429, account.Enter(1)!.Status);
        clock.Advance(TimeSpan.FromMinutes(2));
        Assert.Null(account.Enter(1));
    }

    [Theory]
    [InlineData("key=k", "no name")]
    [InlineData("name=a", "neither key= nor sha256=")]
    [InlineData("name=a,key=", "'key'")]
    [InlineData("name=a b,key=k", "'name'")]
    [InlineData("name=a,sha256=zz", "'sha256'")]
    [InlineData("name=a,key=k,rpm=-1", "'rpm'")]
    [InlineData("name=a,key=k,priority=101", "'priority'")]
    [InlineData("name=a,key=k,colour=red", "a part is not one of")]
    public void A_key_that_cannot_be_read_is_refused_in_words_without_the_key(string text, string words)
    {
        var error = Assert.Throws<FormatException>(() => ClientKeySpec.Parse(text));
        Assert.Contains(words, error.Message);
        Assert.DoesNotContain("=k", error.Message);
    }

    [Fact]
    public void What_is_kept_of_keys_are_hashes_and_each_key_still_opens()
    {
        var hash = Convert.ToHexStringLower(SHA256.HashData("hash3d"u8));
        var ring = new KeyRing(
            new GatewayOptions
            {
                ApiKey = "cl1ent",
                AdminApiKey = "adm1n",
                ClientKeys = { "name=a,key=nam3d", $"name=b,sha256={hash}" },
            },
            TimeProvider.System);
        var opened = ((string[])["cl1ent", "nam3d", "hash3d"]).Select(key => ring.IdentityOf(With(key))?.Account?.Spec.Name);
        Assert.Equal(["api-key", "a", "b"], opened);
        Assert.All((string[])["cl1en", "cl1ent2", "adm1", "", hash], key => Assert.Null(ring.IdentityOf(With(key))));
        Assert.True(ring.IsAdmin(With("adm1n")));
        Assert.True(ring.IdentityOf(With("adm1n")) is { Account: null });
        Assert.False(ring.IsAdmin(With("cl1ent")));
        Assert.DoesNotContain(Texts(ring, []), text => ((string[])["cl1ent", "adm1n", "nam3d", "hash3d"]).Any(text.Contains));

        static HttpRequest With(string key) =>
            new DefaultHttpContext { Request = { Headers = { Authorization = "Bearer " + key } } }.Request;
    }

    [Fact]
    public async Task Each_request_of_a_connection_is_let_in_by_its_own_key_and_charged_to_it()
    {
        var options = new GatewayOptions
        {
            AdminApiKey = "queen",
            ClientKeys = { "name=a,key=al1ce,rpm=3", "name=b,key=b0b,rpm=1" },
        };
        await using var stage = await Stage.StartAsync(options: options);
        using var one = new SocketsHttpHandler { MaxConnectionsPerServer = 1 };
        using var client = new HttpClient(one) { BaseAddress = stage.Gateway.Url };

        var statuses = new List<int>();
        string?[] shown = ["al1ce", "al1ce", "al1cf", "al1ce", null, "b0b", "b0b", "al1ce", "queen", "b0c"];
        foreach (var key in shown)
        {
            using var request = Request("POST", "/generate", key is null ? null : "Bearer " + key);
            using var response = await client.SendAsync(request, Stage.Token);
            statuses.Add((int)response.StatusCode);
        }

        Assert.Equal([200, 200, 401, 200, 401, 200, 429, 429, 200, 401], statuses);
    }

    [Fact]
    public void What_a_connection_keeps_opens_only_the_gateway_that_it_has_opened_and_a_wrong_key_is_not_kept()
    {
        var ring = new KeyRing(new GatewayOptions { ApiKey = "cl1ent", AdminApiKey = "adm1n" }, TimeProvider.System);
        var other = new KeyRing(new GatewayOptions { ApiKey = "an0ther" }, TimeProvider.System);
        var connection = new Connection();

        Assert.Null(ring.IdentityOf(Showing("Bearer wr0ng")));
        Assert.Empty(connection.State);
        const string Header = "Bearer cl1ent";
        var pass = ring.IdentityOf(Showing(Header));
        Assert.NotNull(pass);
        Assert.Same(pass, ring.IdentityOf(Showing(Header)));
        Assert.Null(other.IdentityOf(Showing(Header)));
        Assert.Null(ring.IdentityOf(Showing("Bearer cl1enT")));
        Assert.Null(ring.IdentityOf(Showing(null)));
        Assert.Null(ring.IdentityOf(Showing("Bearer adm1n"))!.Account);
        Assert.Same(pass, ring.IdentityOf(Showing(Header)));
        Assert.Single(connection.State);

        HttpRequest Showing(string? header)
        {
            var context = new DefaultHttpContext();
            context.Features.Set<IPersistentStateFeature>(connection);
            context.Request.Headers.Authorization = header;
            return context.Request;
        }
    }

    /// <summary>What spares a connection the hashing: without it all works, but each request pays.</summary>
    [Fact]
    public async Task The_web_server_gives_the_same_object_for_the_same_header_of_a_connection()
    {
        var seen = new List<string>();
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        await using var app = builder.Build();
        app.Run(context =>
        {
            Assert.NotNull(context.Features.Get<IPersistentStateFeature>());
            seen.Add(context.Request.Headers.Authorization.ToString());
            return Task.CompletedTask;
        });
        await app.StartAsync(Stage.Token);
        using var one = new SocketsHttpHandler { MaxConnectionsPerServer = 1 };
        using var client = new HttpClient(one) { BaseAddress = new Uri(app.Urls.First()) };
        foreach (var header in (string[])["Bearer a", "Bearer a", "Bearer b"])
        {
            using var request = Request("POST", "/", header);
            using var response = await client.SendAsync(request, Stage.Token);
            response.EnsureSuccessStatusCode();
        }

        Assert.Equal(["Bearer a", "Bearer a", "Bearer b"], seen);
        Assert.Same(seen[0], seen[1]);
    }

    [Fact]
    public async Task No_key_is_in_what_the_gateway_says_or_logs()
    {
        await using var stage = await ManagedStage.StartAsync(o =>
        {
            (o.ApiKey, o.AdminApiKey, o.RankToken) = ("cl1ent-key", "adm1n-key", "r4nk-token");
            o.ClientKeys.Add("name=a,key=nam3d-key");
        });
        foreach (var key in (string?[])["adm1n-key", "cl1ent-key", "nam3d-key", "wr0ng-key", null])
        {
            foreach (var (method, path) in (
                (string, string)[])[("GET", "/workers"), ("GET", "/debug/requests"), ("POST", "/generate"), ("GET", "/metrics"),
                ("POST", "/workers"), ("POST", "/register_dp_rank"), ("POST", "/pause_generation"), ("GET", "/server_info")])
            {
                using var _ = await stage.SendAsync(method, path, method == "POST" ? """{"text":"x","api_key":7}""" : null, key);
            }
        }
        Assert.NotEmpty(stage.Said);
        foreach (var secret in (string[])["adm1n", "cl1ent", "nam3d", "wr0ng", "r4nk"])
            Assert.DoesNotContain(stage.Said, said => said.Contains(secret, StringComparison.Ordinal));
    }

    /// <summary>Every text, and every run of bytes as text, that is reachable from an object of ours.</summary>
    private static IEnumerable<string> Texts(object? at, HashSet<object> seen)
    {
        switch (at)
        {
            case null:
                return [];
            case string text:
                return [text];
            case byte[] bytes:
                return [Encoding.Latin1.GetString(bytes)];
            case ReadOnlyMemory<byte> memory:
                return [Encoding.Latin1.GetString(memory.Span)];
            case System.Collections.IEnumerable list:
                return list.Cast<object?>().SelectMany(item => Texts(item, seen));
            default:
                var ours = at.GetType().Assembly == typeof(KeyRing).Assembly && seen.Add(at);
                const BindingFlags All = BindingFlags.Instance | BindingFlags.NonPublic | BindingFlags.Public;
                return ours ? at.GetType().GetFields(All).SelectMany(field => Texts(field.GetValue(at), seen)) : [];
        }
    }

    private static async Task<(int Status, string Text)> SendAsync(Stage stage, string method, string path, string? header)
    {
        using var request = Request(method, path, header);
        // Joined as text: as a relative address "//generate" would name a host.
        request.RequestUri = new Uri(stage.Gateway.Url.GetLeftPart(UriPartial.Authority) + path);
        using var response = await stage.Client.SendAsync(request, Stage.Token);
        return ((int)response.StatusCode, $"{response.Headers}{await response.Content.ReadAsStringAsync(Stage.Token)}");
    }

    private static HttpRequestMessage Request(string method, string path, string? header)
    {
        var request = new HttpRequestMessage(
            new HttpMethod(method), new Uri(path, UriKind.Relative))
        { Content = method == "POST" ? Json(Body) : null };
        if (header is not null)
            request.Headers.TryAddWithoutValidation("Authorization", header);
        return request;
    }

    private sealed class Connection : IPersistentStateFeature
    {
        public IDictionary<object, object?> State { get; } = new Dictionary<object, object?>();
    }

    private static StringContent Json(string body) => new(body, Encoding.UTF8, "application/json");
}
