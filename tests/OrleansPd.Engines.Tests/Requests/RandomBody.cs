using System.Globalization;
using System.Text;
using OrleansPd.Engines.Requests;

namespace OrleansPd.Engines.Tests.Requests;

/// <summary>
/// Writes valid request bodies in every form that JSON allows: order, whitespace, escapes, duplicates, unusual values.
/// </summary>
internal sealed class RandomBody(Random random, Dialect dialect)
{
    private readonly StringBuilder _text = new();

    /// <summary>Length of the batch, 0 for a single request: all list-valued members must agree with the last prompt.</summary>
    private readonly int _batch = dialect == Dialect.Chat || random.Next(2) == 0 ? 0 : random.Next(1, 5);

    private readonly int _samples = random.Next(3) == 0 ? random.Next(1, 5) : 1;

    public string Write()
    {
        var members = new List<(string Name, Action Value)> { (PromptName(), Prompt) };
        for (var count = random.Next(14); count > 0; count--)
            members.Add(Member());

        if (random.Next(4) == 0)
            members.AddRange(members.Slice(0, random.Next(1, members.Count)));

        var order = members.ToArray();
        random.Shuffle(order);
        Space();
        _text.Append('{');
        Space();
        for (var at = 0; at < order.Length; at++)
        {
            if (at > 0)
                Separate(',');

            Text(order[at].Name);
            Separate(':');
            order[at].Value();
        }
        Space();
        _text.Append('}');
        Space();
        return _text.ToString();
    }

    private string PromptName() => dialect switch
    {
        Dialect.Chat => "messages",
        Dialect.Completions => "prompt",
        _ => "text",
    };

    private (string, Action) Member() => random.Next(18) switch
    {
        0 => ("stream", Pick("true", "false", "null")),
        1 => ("model", random.Next(5) == 0 ? Raw("null") : () => Text(Word())),
        2 => ("bootstrap_room", Anything),
        3 => ("bootstrap_host", Anything),
        4 => ("data_parallel_rank", Anything),
        5 => ("disagg_prefill_dp_rank", Anything),
        6 => ("decode_tp_size", Anything),
        7 => ("rid", Rid),
        8 when dialect == Dialect.Generate => ("sampling_params", SamplingParams),
        8 => ("n", Raw(_samples == 1 && random.Next(2) == 0 ? "null" : _samples.ToString(CultureInfo.InvariantCulture))),
        9 when dialect == Dialect.Generate => ("return_logprob", () => PerItem(Pick("true", "false"))),
        9 => ("stream_options", Raw("{\"include_usage\": true}")),
        10 when dialect == Dialect.Generate => ("top_logprobs_num", () => PerItem(Pick("0", "128"))),
        11 when dialect == Dialect.Generate => ("lora_path", () => PerItem(() => Text(Word()))),
        12 => ("bootstrap_port", Anything),
        13 => ("routed_dp_rank", Anything),
        _ => ("x" + Word(), Anything),
    };

    private void Prompt()
    {
        if (dialect == Dialect.Chat)
        {
            List(random.Next(1, 4), () => _text.Append("{\"role\":\"user\",\"content\":").Append(Quoted(Word())).Append('}'));
            return;
        }
        Action one = dialect == Dialect.Completions && random.Next(2) == 0
            ? () => List(random.Next(1, 200), () => _text.Append(random.Next(10) == 0 ? random.Next(10) : random.Next(200_000)))
            : () => Text(Word());
        if (_batch == 0)
            one();
        else
            List(_batch, one);
    }

    private void Rid()
    {
        if (_batch == 0 || random.Next(2) == 0)
        {
            Text("r" + Word());
            return;
        }
        var next = 0;
        List(_batch, () => Text("r" + next++));
    }

    private void SamplingParams()
    {
        if (_batch == 0 || random.Next(2) == 0)
            One();
        else
            List(_batch, One);

        void One()
        {
            _text.Append('{');
            Space();
            _text.Append("\"sampling_seed\": ").Append(random.Next(100)).Append(",\"temperature\":0.50");
            if (_samples != 1 || random.Next(2) == 0)
                _text.Append(",\"n\":").Append(_samples);

            _text.Append('}');
        }
    }

    private void PerItem(Action one)
    {
        if (_batch == 0 || random.Next(2) == 0)
            one();
        else
            List(_batch, one);
    }

    private void Anything() => Anything(random.Next(4));

    private void Anything(int depth)
    {
        switch (random.Next(depth > 0 ? 8 : 6))
        {
            case 0:
                _text.Append(random.NextInt64(long.MinValue, long.MaxValue));
                break;
            case 1:
                string[] numbers = ["0", "-0", "1.50", "-3e+7", "2E-9", "0.0e0", "18446744073709551615"];
                _text.Append(numbers[random.Next(numbers.Length)]);
                break;
            case 2:
                Pick("true", "false", "null")();
                break;
            case 3 or 4 or 5:
                Text(Word());
                break;
            case 6:
                List(random.Next(4), () => Anything(depth - 1));
                break;
            default:
                _text.Append('{');
                for (var count = random.Next(3); count >= 0; count--)
                {
                    Text(random.Next(3) == 0 ? "bootstrap_room" : Word());
                    Separate(':');
                    Anything(depth - 1);
                    if (count > 0)
                        Separate(',');
                }
                _text.Append('}');
                break;
        }
    }

    private void List(int length, Action one)
    {
        var tight = random.Next(2) == 0;
        _text.Append('[');
        for (var at = 0; at < length; at++)
        {
            if (at > 0 && tight)
                _text.Append(", ");
            else if (at > 0)
                Separate(',');

            one();
        }
        _text.Append(']');
    }

    private string Word()
    {
        string[] words = ["", "a", "error", "text", "rid\\", "\"n\"", "{[,:]}", "äöü", "日本語の文章", "😀", "\n\t", "/", "\0",
            new string('q', 90)];
        return string.Concat(Enumerable.Range(0, random.Next(4)).Select(_ => words[random.Next(words.Length)]));
    }

    private void Text(string value) => _text.Append(Quoted(value));

    private string Quoted(string value)
    {
        var quoted = new StringBuilder("\"");
        foreach (var letter in value)
        {
            if (letter is '"' or '\\' && random.Next(2) == 0)
                quoted.Append('\\').Append(letter);
            else if (letter < ' ' || letter is '"' or '\\' || random.Next(40) == 0 && !char.IsSurrogate(letter))
                quoted.Append(CultureInfo.InvariantCulture, $"\\u{(int)letter:x4}");
            else
                quoted.Append(letter);
        }
        return quoted.Append('"').ToString();
    }

    private Action Raw(string text) => () => _text.Append(text);

    private Action Pick(params string[] texts) => Raw(texts[random.Next(texts.Length)]);

    private void Separate(char separator)
    {
        Space();
        _text.Append(separator);
        Space();
    }

    private void Space()
    {
        for (var count = random.Next(6) - 3; count > 0; count--)
            _text.Append(" \t\r\n"[random.Next(4)]);
    }
}
