using System.Text;
using System.Text.Json;
using BenchmarkDotNet.Attributes;
using OrleansPd.Engines.Requests;

namespace OrleansPd.Benchmarks.Micro;

/// <summary>
/// Our request scanner against <see cref="Utf8JsonReader"/> on the same chat request. The reader visits all tokens and copies the
/// model's name; the scanner checks UTF-8, and finds the members and the prompt size that routing needs.
/// </summary>
public class JsonBenchmarks
{
    private readonly RequestShape _shape = new();
    private byte[] _body = [];

    [Params("1KB", "64KB", "1MB")]
    public string Size { get; set; } = "";

    [GlobalSetup]
    public void Setup() => _body = ChatRequest(Size);

    [Benchmark(Baseline = true)]
    public string ReadWithUtf8JsonReader()
    {
        var reader = new Utf8JsonReader(_body);
        var model = "";
        while (reader.Read())
        {
            if (reader.TokenType == JsonTokenType.PropertyName && reader.CurrentDepth == 1 && reader.ValueTextEquals("model"u8))
            {
                reader.Read();
                model = reader.GetString()!;
            }
        }
        return model is "m" ? model : throw new InvalidOperationException("no model");
    }

    [Benchmark]
    public long Scan() => RequestScanner.TryScan(_body, Dialect.Chat, ScanLimits.Default, _shape, out var error)
        ? _shape.PromptTokensEstimate
        : throw new InvalidOperationException(error.Message);

    internal static int BytesOf(string size) => size switch { "1KB" => 1 << 10, "64KB" => 64 << 10, _ => 1 << 20 };

    /// <summary>A chat request whose prompt has that many bytes, with some escapes and characters outside ASCII.</summary>
    internal static byte[] ChatRequest(string size)
    {
        var text = new StringBuilder();
        while (text.Length < BytesOf(size))
            text.Append("Some words of a naïve prompt, a \\\"quoted\\\" one and a line's end.\\n");
        var messages = $$"""[{"role":"system","content":"Be brief."},{"role":"user","content":"{{text}}"}]""";
        return Encoding.UTF8.GetBytes(
            $$"""{"model":"m","messages":{{messages}},"stream":true,"max_tokens":256,"temperature":0.7}""");
    }
}
