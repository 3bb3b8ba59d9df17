using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using OrleansPd.Simulator.Bootstrap;

namespace OrleansPd.Simulator.Tests;

public sealed class BootstrapServerTests
{
    private const string Sentinel = "/route?prefill_dp_rank=-1&prefill_cp_rank=-1&target_tp_rank=-1&target_pp_rank=-1";

    [Theory]
    [InlineData("GET", "/health", null, 200, "OK")]
    [InlineData("GET", "/route", null, 400, "Missing inputs for bootstrap server.")]
    [InlineData("GET", "/route?prefill_dp_rank=&prefill_cp_rank=0&target_tp_rank=0&target_pp_rank=0", null, 400,
        "Missing inputs for bootstrap server.")]
    [InlineData("GET", "/route?prefill_dp_rank=x&prefill_cp_rank=0&target_tp_rank=0&target_pp_rank=0", null, 500, null)]
    [InlineData("GET", Sentinel, null, 503, "Prefill server not fully registered yet (0 workers registered).")]
    [InlineData("GET", "/route?prefill_dp_rank=0&prefill_cp_rank=0&target_tp_rank=0&target_pp_rank=0", null, 503,
        "Prefill server not fully registered yet (0 workers registered).")]
    [InlineData("DELETE", "/route", null, 405, null)]
    [InlineData("GET", "/query_dp_ranks", null, 405, null)]
    [InlineData("GET", "/nothing", null, 404, null)]
    [InlineData("PUT", "/route", "{}", 500, null)]
    [InlineData("PUT", "/route", "{", 500, null)]
    [InlineData("POST", "/register_dp_rank", "{\"bootstrap_room\":4611686018427387905,\"dp_rank\":3}", 200, "OK")]
    [InlineData("POST", "/register_dp_rank", "{\"bootstrap_room\":\"17\",\"dp_rank\":\"1\"}", 200, "OK")]
    [InlineData("POST", "/register_dp_rank", "{\"bootstrap_room\":true}", 500, null)]
    [InlineData("POST", "/query_dp_ranks", "{\"bootstrap_rooms\":[1]}", 200, "{}")]
    [InlineData("POST", "/query_dp_ranks", "{}", 500, null)]
    public async Task An_empty_server_answers(string method, string path, string? body, int status, string? text)
    {
        await using var server = await BootstrapServer.StartAsync("127.0.0.1", 0, ct: Pair.Ct);
        var reply = await SendAsync(server, method, path, body);
        Assert.Equal(status, (int)reply.Status);
        if (text is not null)
            Assert.Equal(text, reply.Body);
    }

    [Fact]
    public async Task Sizes_are_the_first_writers_addresses_the_last_ones()
    {
        await using var server = await BootstrapServer.StartAsync("127.0.0.1", 0, ct: Pair.Ct);
        Assert.Equal("OK", (await SendAsync(server, "PUT", "/route", Registration(0, 2, 5000, 64))).Body);
        Assert.Equal("Prefill server not fully registered yet (1 workers registered).", (
            await SendAsync(server, "GET", Sentinel, null)).Body);
        await SendAsync(server, "PUT", "/route", Registration(1, 9, 5001, 32));
        await SendAsync(server, "PUT", "/route", Registration(1, 9, 5002, 32));
        Assert.Equal(
            """{"attn_tp_size":1,"attn_cp_size":1,"dp_size":2,"pp_size":1,"page_size":64,"kv_"""
            + """cache_dtype":"auto","follow_bootstrap_room":true,"enable_"""
            + """dsa_cache_layer_split":false,"prefill_http_port":30000,"target_"""
            + """tp_rank":null,"target_tp_ranks":null,"target_cp_ranks":null,"target_pp_ranks":null,"required_"""
            + """dst_info_num":null,"required_prefill_response_num":null}""",
            (await SendAsync(server, "GET", Sentinel, null)).Body);
        Assert.Equal("""{"rank_ip":"10.0.0.11","rank_port":5002}""", (await SendAsync(server, "GET", Rank(1), null)).Body);
        var missing = await SendAsync(server, "GET", Rank(7), null);
        Assert.Equal(HttpStatusCode.NotFound, missing.Status);
        Assert.Equal("Bootstrap info not found for dp_rank=7 cp_rank=0 tp_rank=0 pp_rank=0", missing.Body);
    }

    [Fact]
    public async Task Repeated_registrations_count_towards_readiness()
    {
        await using var server = await BootstrapServer.StartAsync("127.0.0.1", 0, ct: Pair.Ct);
        await SendAsync(server, "PUT", "/route", Registration(0, 2, 5000, 64));
        await SendAsync(server, "PUT", "/route", Registration(0, 2, 5000, 64));
        Assert.Equal(HttpStatusCode.OK, (await SendAsync(server, "GET", Sentinel, null)).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await SendAsync(server, "GET", Rank(1), null)).Status);
    }

    [Fact]
    public async Task Releases_before_0_5_16_lack_the_optional_members()
    {
        await using var server = await BootstrapServer.StartAsync("127.0.0.1", 0, new() { Version = "0.5.15" }, ct: Pair.Ct);
        await SendAsync(server, "PUT", "/route", Registration(0, 1, 5000, 64));
        var sentinel = (await SendAsync(server, "GET", Sentinel, null)).Json.AsObject();
        Assert.False(sentinel.ContainsKey("prefill_http_port"));
        Assert.Equal(13, sentinel.Count);
    }

    [Fact]
    public async Task Rooms_are_answered_as_text_keys_unknown_ones_absent()
    {
        await using var server = await BootstrapServer.StartAsync("127.0.0.1", 0, ct: Pair.Ct);
        foreach (var (room, rank) in new[] { (1L, 1), (9007199254740993L, 2), (long.MaxValue, 3) })
            await SendAsync(server, "POST", "/register_dp_rank", $$"""{"bootstrap_room":{{room}},"dp_rank":{{rank}}}""");
        Assert.Equal(
            """{"9007199254740993":2,"9223372036854775807":3,"1":1}""",
            (await SendAsync(server, "POST", "/query_dp_ranks",
                """{"bootstrap_rooms":[9007199254740993,"9223372036854775807",5,1]}""")).Body);
    }

    [Fact]
    public async Task Old_rooms_are_swept()
    {
        await using var server = await BootstrapServer.StartAsync(
            "127.0.0.1", 0, new() { RoomEntryTtl = TimeSpan.FromMilliseconds(40) }, ct: Pair.Ct);
        await SendAsync(server, "POST", "/register_dp_rank", """{"bootstrap_room":8,"dp_rank":1}""");
        Assert.Equal(1, server.RoomCount);
        await Until.TrueAsync(() => server.RoomCount == 0, "a swept table");
    }

    private static string Rank(int dp) => $"/route?prefill_dp_rank={dp}&prefill_cp_rank=0&target_tp_rank=0&target_pp_rank=0";

    private static string Registration(int rank, int ranks, int port, int page) => new JsonObject
    {
        ["attn_tp_size"] = 1,
        ["attn_tp_rank"] = 0,
        ["attn_cp_size"] = 1,
        ["attn_cp_rank"] = 0,
        ["attn_dp_size"] = ranks,
        ["attn_dp_rank"] = rank,
        ["pp_size"] = 1,
        ["pp_rank"] = 0,
        ["system_dp_size"] = 1,
        ["system_dp_rank"] = 0,
        ["rank_ip"] = "10.0.0.11",
        ["rank_port"] = $"{port}",
        ["page_size"] = page,
        ["kv_cache_dtype"] = "auto",
        ["prefill_http_port"] = 30000,
        ["future_member"] = true,
    }.ToJsonString();

    private static async Task<Reply> SendAsync(BootstrapServer server, string method, string path, string? body)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), $"http://127.0.0.1:{server.Port}{path}");
        if (body is not null)
            request.Content = new StringContent(body, Encoding.UTF8, "application/json");
        using var response = await Pair.Http.SendAsync(request, Pair.Ct);
        return new Reply(response.StatusCode, await response.Content.ReadAsStringAsync(Pair.Ct));
    }
}
