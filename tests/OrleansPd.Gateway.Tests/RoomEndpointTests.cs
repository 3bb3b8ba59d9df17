using System.Text;
using System.Text.Json.Nodes;
using OrleansPd.Gateway.Hosting;
using OrleansPd.Gateway.Options;
using OrleansPd.Standalone;

namespace OrleansPd.Gateway.Tests;

public sealed class RoomEndpointTests : IAsyncLifetime
{
    private GatewayServer _gateway = null!;
    private HttpClient _client = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public ValueTask InitializeAsync() => StartAsync(token: null);

    public async ValueTask DisposeAsync()
    {
        _client.Dispose();
        await _gateway.DisposeAsync();
    }

    [Fact]
    public async Task A_registered_room_is_found_and_an_unknown_one_is_left_out()
    {
        Assert.Equal((200, "OK"), await PostAsync("/register_dp_rank", """{"bootstrap_room":4611686018427387905,"dp_rank":3}"""));
        Assert.Equal((200, """{"4611686018427387905":3}"""), await PostAsync(
            "/query_dp_ranks", """{"bootstrap_rooms":[4611686018427387905,17,4611686018427387905]}"""));
        Assert.Equal((200, "{}"), await PostAsync("/query_dp_ranks", """{"bootstrap_rooms":[17]}"""));
        Assert.Equal((200, "{}"), await PostAsync("/query_dp_ranks", """{"bootstrap_rooms":[]}"""));
    }

    [Fact]
    public async Task Integers_may_come_as_text_and_unknown_members_are_ignored()
    {
        Assert.Equal((200, "OK"), await PostAsync(
            "/register_dp_rank", """{"bootstrap_room":"9223372036854775807","dp_rank":" 1 ","more":[]}"""));
        Assert.Equal((200, """{"9223372036854775807":1}"""), await PostAsync(
            "/query_dp_ranks", """{"bootstrap_rooms":["9223372036854775807"]}"""));
    }

    [Fact]
    public async Task Another_rank_is_refused_and_the_first_stands()
    {
        await PostAsync("/register_dp_rank", """{"bootstrap_room":17,"dp_rank":3}""");
        Assert.Equal(200, (await PostAsync("/register_dp_rank", """{"bootstrap_room":17,"dp_rank":3}""")).Status);
        var (status, body) = await PostAsync("/register_dp_rank", """{"bootstrap_room":17,"dp_rank":2}""");
        Assert.Equal(409, status);
        Assert.Contains("17", (string)JsonNode.Parse(body)!["error"]!["message"]!);
        Assert.Equal((200, """{"17":3}"""), await PostAsync("/query_dp_ranks", """{"bootstrap_rooms":[17]}"""));
        var metrics = await _client.GetStringAsync("/metrics", Token);
        Assert.Contains("orleanspd_gateway_rooms{state=\"registered\"} 1\n", metrics);
        Assert.Contains("orleanspd_gateway_room_registrations_total 2\n", metrics);
        Assert.Contains("orleanspd_gateway_room_conflicts_total 1\n", metrics);
    }

    [Theory]
    [InlineData("/register_dp_rank", "")]
    [InlineData("/register_dp_rank", "[]")]
    [InlineData("/register_dp_rank", "{")]
    [InlineData("/register_dp_rank", """{"bootstrap_room":1}""")]
    [InlineData("/register_dp_rank", """{"bootstrap_room":1.5,"dp_rank":0}""")]
    [InlineData("/register_dp_rank", """{"bootstrap_room":-1,"dp_rank":0}""")]
    [InlineData("/register_dp_rank", """{"bootstrap_room":9223372036854775808,"dp_rank":0}""")]
    [InlineData("/register_dp_rank", """{"bootstrap_room":"1\ud800","dp_rank":0}""")]
    [InlineData("/register_dp_rank", """{"bootstrap_room":1,"dp_rank":-1}""")]
    [InlineData("/register_dp_rank", """{"bootstrap_room":1,"dp_rank":1024}""")]
    [InlineData("/register_dp_rank", """{"bootstrap_room":null,"dp_rank":0}""")]
    [InlineData("/query_dp_ranks", "{}")]
    [InlineData("/query_dp_ranks", """{"bootstrap_rooms":17}""")]
    [InlineData("/query_dp_ranks", """{"bootstrap_rooms":[true]}""")]
    public async Task What_cannot_be_read_is_the_callers_mistake(string path, string body)
    {
        var (status, answer) = await PostAsync(path, body);
        Assert.Equal(400, status);
        Assert.Equal("invalid_request_error", (string)JsonNode.Parse(answer)!["error"]!["type"]!);
        Assert.Equal(0, _gateway.ControlPlane.Rooms.Held);
    }

    [Fact]
    public async Task A_query_is_bounded()
    {
        Assert.Equal(200, (await PostAsync("/query_dp_ranks", Query(65_536))).Status);
        Assert.Equal(400, (await PostAsync("/query_dp_ranks", Query(65_537))).Status);
        Assert.Equal(413, (await PostAsync("/query_dp_ranks", new string(' ', (2 << 20) + 1))).Status);

        static string Query(int rooms) =>
            $"{{\"bootstrap_rooms\":[{string.Join(',', Enumerable.Range(1, rooms).Select(i => long.MaxValue - i))}]}}";
    }

    [Theory]
    [InlineData(null)]
    [InlineData("Bearer wrong")]
    [InlineData("Bearer secret2")]
    [InlineData("Bearer ")]
    [InlineData("Basic secret")]
    [InlineData("secret")]
    public async Task Without_the_token_nothing_is_read_or_changed(string? header)
    {
        await DisposeAsync();
        await StartAsync("secret");
        Assert.Equal(200, (await PostAsync(
            "/register_dp_rank", """{"bootstrap_room":17,"dp_rank":3}""", "Bearer secret")).Status);
        Assert.Equal(401, (await PostAsync("/register_dp_rank", """{"bootstrap_room":18,"dp_rank":3}""", header)).Status);
        Assert.Equal(401, (await PostAsync("/query_dp_ranks", """{"bootstrap_rooms":[17]}""", header)).Status);
        Assert.Equal((200, """{"17":3}"""), await PostAsync(
            "/query_dp_ranks", """{"bootstrap_rooms":[17,18]}""", "bearer secret"));
    }

    private async ValueTask StartAsync(string? token)
    {
        _gateway = await StandaloneGateway.StartAsync(
            new GatewayOptions { Host = "127.0.0.1", Port = 0, RankToken = token }, cancellationToken: Token);
        _client = new HttpClient { BaseAddress = _gateway.Url };
    }

    private async Task<(int Status, string Body)> PostAsync(string path, string body, string? authorization = null)
    {
        using var request = new HttpRequestMessage(
            HttpMethod.Post, path)
        { Content = new StringContent(body, Encoding.UTF8, "application/json") };
        if (authorization is not null)
            request.Headers.TryAddWithoutValidation("Authorization", authorization);
        using var response = await _client.SendAsync(request, Token);
        return ((int)response.StatusCode, await response.Content.ReadAsStringAsync(Token));
    }
}
