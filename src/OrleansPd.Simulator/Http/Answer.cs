namespace OrleansPd.Simulator.Http;

/// <summary>The output of a request so far.</summary>
internal sealed class Answer(SimRequest request, long startedAt)
{
    public SimRequest Request => request;
    public long StartedAt => startedAt;
    public StringBuilder Text { get; } = new();
    public List<TokenOut> Tokens { get; } = [];
    public Finish? Finish { get; private set; }

    public void Add(StepOut step)
    {
        Text.Append(step.Text);
        if (step.Token is { } token)
            Tokens.Add(token);
        Finish ??= step.Finish;
    }

    public async Task<Answer> CompleteAsync(CancellationToken ct)
    {
        await foreach (var step in request.Output.ReadAllAsync(ct))
            Add(step);
        return this;
    }
}
