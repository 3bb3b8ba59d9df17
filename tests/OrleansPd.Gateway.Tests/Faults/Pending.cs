namespace OrleansPd.Gateway.Tests.Faults;

/// <summary>A request whose client has not got all of its answer; disposing it closes the client's connection.</summary>
internal sealed class Pending : IAsyncDisposable
{
    private readonly CancellationTokenSource _leave = CancellationTokenSource.CreateLinkedTokenSource(FaultStage.Token);
    private readonly HttpRequestMessage _request;
    private readonly Task<HttpResponseMessage> _head;

    public Pending(HttpClient client, HttpRequestMessage request, string id)
    {
        Id = id;
        _request = request;
        _head = client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, _leave.Token);
    }

    public string Id { get; }

    /// <summary>Waits for the head of the answer: of a stream, its first event is then on the way.</summary>
    public async Task<int> StatusAsync() => (int)(await _head).StatusCode;

    public async Task<Reply> ReplyAsync()
    {
        using var response = await _head;
        var code = response.Headers.TryGetValues("x-router-error-code", out var codes) ? codes.Single() : null;
        return new Reply(
            Id, (int)response.StatusCode, response.Content.Headers.ContentType?.MediaType, code,
            await response.Content.ReadAsStringAsync(_leave.Token));
    }

    /// <summary>The client hangs up.</summary>
    public async Task LeaveAsync()
    {
        await _leave.CancelAsync();
        try
        {
            (await _head).Dispose();
        }
        catch (OperationCanceledException)
        {
            // It left before the head came.
        }
    }

    public async ValueTask DisposeAsync()
    {
        await LeaveAsync();
        _request.Dispose();
        _leave.Dispose();
    }
}
