using System.Collections.Concurrent;
using System.Net;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace OrleansPd.Testing;

/// <summary>An HTTP server on a free port that answers as the test says, and keeps what it was asked.</summary>
public sealed class StubEngine : IAsyncDisposable
{
    private readonly WebApplication _app;

    private StubEngine(WebApplication app) => _app = app;

    public ConcurrentQueue<(string Path, JsonElement Body, string? Authorization)> Requests { get; } = [];

    public Uri Url => new(_app.Urls.Single());

    /// <summary>The page of its metrics.</summary>
    public string Metrics { get; init; } = "";

    public static async Task<StubEngine> StartAsync(
        Func<HttpContext, JsonElement, Task> answer, string metrics = "")
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        var app = builder.Build();
        var stub = new StubEngine(app) { Metrics = metrics };
        app.MapGet("/health", () => Results.Ok());
        app.MapGet("/metrics", () => stub.Metrics);
        app.MapPost("/{**path}", async context =>
        {
            using var json = await JsonDocument.ParseAsync(context.Request.Body);
            var body = json.RootElement.Clone();
            stub.Requests.Enqueue((context.Request.Path, body, context.Request.Headers.Authorization));
            await answer(context, body);
        });
        await app.StartAsync();
        return stub;
    }

    /// <summary>Answers with a stream of these frames, each flushed alone.</summary>
    public static async Task StreamAsync(HttpContext context, params IEnumerable<string> frames)
    {
        if (!context.Response.HasStarted)
            context.Response.ContentType = "text/event-stream";

        foreach (var frame in frames)
        {
            await context.Response.WriteAsync($"data: {frame}\n\n");
            await context.Response.Body.FlushAsync();
        }
    }

    /// <summary>The frames of a native answer: cumulative, a token each.</summary>
    public static IEnumerable<string> GenerateFrames(int tokens, string finish = """{"type":"length","length":1}""") =>
        Enumerable.Range(1, tokens).Select(count => JsonSerializer.Serialize(new
        {
            text = string.Concat(Enumerable.Range(0, count).Select(i => $" t{i}")),
            output_ids = Enumerable.Range(0, count),
            meta_info = new
            {
                prompt_tokens = 11,
                completion_tokens = count,
                finish_reason = count == tokens ? JsonSerializer.Deserialize<JsonElement>(finish) : (JsonElement?)null,
            },
        })).Append("[DONE]");

    public ValueTask DisposeAsync() => _app.DisposeAsync();
}
