from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("snapshot", "0002_heartbeats")]

    operations = [
        migrations.AddField(
            model_name="entrykey",
            name="withdrawn",
            field=models.BooleanField(
                default=False,
                help_text="It leaked: tickets that it signed are refused as well.",
                verbose_name="withdrawn",
            ),
        ),
    ]
